"""What another version of this project says, in a process that imports from its checkout."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def said_by(checkout: Path, code: str, *arguments: str) -> Any:
    """Run code that prints JSON with a checkout as its folder, and give that; RuntimeError else."""
    ran = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise RuntimeError(ran.stderr[-2000:])
    return json.loads(ran.stdout)
