"""A folder of data may hold what is no file: it is one line, and nothing is waited for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from systems.data.sources import Columns, read_source
from unlearning.errors import UsageError


@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_a_manifest_that_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "manifest.csv"
    os.mkfifo(place) if kind == "pipe" else place.mkdir()
    with pytest.raises(UsageError, match="is no plain file"):
        read_source(tmp_path, Columns(None, None, None, None))
