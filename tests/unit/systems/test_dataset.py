"""The file that says what the data are: altered, it is an alarm in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from systems.data.sharding import load_dataset
from systems.settings.workspace import Workspace
from unlearning.errors import IntegrityError


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"null", b"\xff", b'{"classes": 1}'])
def test_what_does_not_say_what_the_data_are_is_an_alarm(tmp_path: Path, content: bytes) -> None:
    ws = Workspace.at(tmp_path)
    ws.data.mkdir()
    ws.dataset.write_bytes(content)
    with pytest.raises(IntegrityError, match=r"data/dataset\.json: does not say"):
        load_dataset(ws)
