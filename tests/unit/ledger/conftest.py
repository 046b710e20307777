"""Keys of a workspace, made afresh, and the folder of records beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.keys import create_keys


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    create_keys(tmp_path / "keys", tmp_path / "records")
    return tmp_path / "keys"


@pytest.fixture
def records(keys: Path) -> Path:
    return keys.parent / "records"
