"""What each process that runs `lethe` would do anew before it looks at a workspace: done on import.

The processes of these tests are forked from one that has imported this. So none of them imports
MLflow's tables again, joins their classes, or lists all packages that are installed.
"""

from __future__ import annotations

import mlflow.store.model_registry.sqlalchemy_store
import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
import pytest
import sqlalchemy.dialects.sqlite  # noqa: F401
from PIL import Image
from sqlalchemy.orm import configure_mappers

from systems.registry.store import rehearse

configure_mappers()
Image.init()
with pytest.MonkeyPatch.context() as patch:
    patch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # its bar starts a thread
    rehearse()
