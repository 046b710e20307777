"""DVC's stages run the same code as the flows, in a real workspace."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.end_to_end.commandline import Lethe
from tests.end_to_end.conftest import ONE_THREAD


def dvc(lethe: Lethe, *words: str) -> str:
    """Run DVC in a shell that knows nothing of the environment; give what it printed."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("dvc")), *words],
        cwd=lethe.root,
        env={"PATH": "/usr/bin:/bin", "HOME": str(lethe.temporary), **ONE_THREAD},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_after_init_the_stages_have_nothing_to_do_and_can_be_repeated(lethe: Lethe) -> None:
    """What `init` trained is found by its content: the stage names the champion's very bytes."""
    assert "up to date" in dvc(lethe, "status")
    assert "Running stage" not in dvc(lethe, "repro")
    again = dvc(lethe, "repro", "--force")
    assert all(f"Running stage '{stage}'" in again for stage in ("prepare", "train", "shadows"))
    trained = json.loads((lethe.root / "artifacts" / "train.json").read_text())
    shadows = json.loads((lethe.root / "artifacts" / "shadows.json").read_text())
    assert trained["sha256"] == lethe.champion()["sha256"]
    assert shadows["shadows"] == 8
    assert "Running stage" not in dvc(lethe, "repro")
