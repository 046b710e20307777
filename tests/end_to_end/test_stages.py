"""DVC's stages run the same code as the flows, in a real workspace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.end_to_end.commandline import Lethe


def repro(lethe: Lethe) -> str:
    """Run `dvc repro`; give what it printed."""
    tools = Path(sys.executable).parent
    done = subprocess.run(
        [str(tools / "dvc"), "repro"],
        cwd=lethe.root,
        env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_the_stages_reproduce_and_then_have_nothing_to_do(lethe: Lethe) -> None:
    """What `init` trained is found by its content: the stage names the champion's very bytes."""
    first = repro(lethe)
    assert all(f"Running stage '{stage}'" in first for stage in ("prepare", "train", "shadows"))
    trained = json.loads((lethe.root / "artifacts" / "train.json").read_text())
    shadows = json.loads((lethe.root / "artifacts" / "shadows.json").read_text())
    assert trained["sha256"] == lethe.champion()["sha256"]
    assert shadows["shadows"] == 8
    assert "Running stage" not in repro(lethe)
