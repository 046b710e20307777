"""What the warm process does beforehand leaves no thread and no file, and is not done again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys, threading
from importlib import import_module
from flows.service.warm import REHEARSED
for name in REHEARSED:
    import_module(name).rehearse()
assert threading.active_count() == 1, threading.enumerate()
before = set(sys.modules)
from pathlib import Path
from systems.expectations.checks import check_measurements
from systems.registry.store import _save
from unlearning.domain import Measurement
place = Path(sys.argv[1])
found = [Measurement("m", 0.5, 0.4, 0.6, 9)]
assert check_measurements(found, {"m": (0, 1)}, ["m"], place / "docs").success
(place / "weights").touch()
recipe = {"channels": 1, "size": 8, "classes": 2}
_save(place / "made", {"weights": str(place / "weights")}, recipe)
late = {name.partition(".")[0] for name in sys.modules.keys() - before}
assert not late & {"great_expectations", "jinja2", "mlflow", "pandas"}, late
"""


def test_what_is_rehearsed_leaves_nothing_and_is_not_done_again(tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        env={**os.environ, "TMPDIR": str(temporary)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert not list(temporary.iterdir())
