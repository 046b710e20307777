"""What waits for a GPU: steps go on, are done once, and do not outlive their minutes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch

from benchmarks.gpu import study


def test_without_a_gpu_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit) as end:
        study.main(["--done", str(tmp_path)])
    assert end.value.code == 20
    assert "no GPU here" in capsys.readouterr().err


def test_what_is_done_is_not_done_again_and_what_fails_stops_nobody(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    codes = {"recipe": 0, "rungs": 1, "methods": 0, "generation": 0, "famr": 0}
    monkeypatch.setattr(study, "_run", lambda words, seconds: codes[words[0]])
    assert study.perform(study.left(tmp_path), tmp_path, 60) == ["rungs"]
    assert study.left(tmp_path) == ["rungs"]


def test_a_step_ends_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study.subprocess, "Popen", _sleeping(study.subprocess.Popen))
    began = time.monotonic()
    assert study._run(("anything",), 0.2) is None
    assert time.monotonic() - began < study.ENDING


def _sleeping(popen: type) -> object:
    return lambda command, cwd: popen(["sleep", "60"], cwd=cwd)
