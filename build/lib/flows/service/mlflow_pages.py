"""MLflow's pages on the database of a workspace, as one process."""

from __future__ import annotations

import os
import sys

from systems.registry import places
from systems.registry.tracking import database_uri
from systems.settings.quiet import quiet_environment
from systems.settings.workspace import Workspace
from unlearning.processes import end_with


def main(arguments: list[str]) -> int:
    """Serve them; arguments: workspace, host, port, the process that started this one.

    `mlflow ui` would start a process that starts four, of which nobody who is killed could tell.
    """
    root, host, port, parent = arguments
    end_with(int(parent))
    quiet_environment()
    ws = Workspace.at(root)
    places.settle(ws.mlruns)
    from mlflow.server.constants import ARTIFACT_ROOT_ENV_VAR, BACKEND_STORE_URI_ENV_VAR

    os.environ[BACKEND_STORE_URI_ENV_VAR] = database_uri(ws.mlruns)
    os.environ[ARTIFACT_ROOT_ENV_VAR] = places.artifacts(ws.mlruns).resolve().as_uri()
    import uvicorn

    uvicorn.run("mlflow.server.fastapi_app:app", host=host, port=int(port), log_level="warning")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
