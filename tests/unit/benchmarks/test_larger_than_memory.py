"""The study of data larger than memory, on few pictures: every phase passes all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.larger_than_memory import study
from systems.data.decoded import LIMIT
from systems.settings.workspace import Workspace
from unlearning import stored

IMAGES = 640


def test_every_picture_is_decoded_trained_on_and_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LIMIT, "0")
    monkeypatch.setattr(stored, "SMALL", 0)
    monkeypatch.setattr(study, "DISTINCT", 20)
    ws = Workspace.at(tmp_path)
    study.make(ws, IMAGES)
    assert study.decoding(ws) == {"examples": IMAGES}
    assert study.training(ws)["scored"] == IMAGES
