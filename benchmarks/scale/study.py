"""`python -m benchmarks.scale`: 100,000 requests, a million entries, ten million rows.

Each row is a process of its own. With `--before CHECKOUT` the same is measured there, turn by turn.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import record
from benchmarks.checkouts import said_by

ROOT = Path(__file__).parents[2]
SIZES: Mapping[str, tuple[int, ...]] = {
    "submit": (1_000, 10_000, 100_000),
    "verify": (10_000, 100_000, 1_000_000),
    "find": (10_000, 100_000, 1_000_000, 10_000_000),
}
MEASURE = """
import json, runpy, sys
made = runpy.run_path(sys.argv[1])["WORK"][sys.argv[2]](int(sys.argv[3]))
print(json.dumps(made))
"""


def main() -> None:
    """Run the benchmark and write benchmarks/results/scale.json."""
    parser = argparse.ArgumentParser("python -m benchmarks.scale", description=__doc__)
    for what, sizes in SIZES.items():
        parser.add_argument(f"--{what}", type=int, default=sizes[-1], help="the largest number")
    parser.add_argument("--before", type=Path, help="a checkout of an earlier version")
    parser.add_argument("--before-submit", type=int, default=1_000, help="the largest number there")
    asked = parser.parse_args()
    most = {what: int(getattr(asked, what)) for what in SIZES}
    record.perform("scale", lambda: record.write("scale", _settings(most), _rows(most, asked)))


def _settings(most: Mapping[str, int]) -> dict[str, Any]:
    return {
        "largest": dict(most),
        "seed": 0,
        "load_before": round(os.getloadavg()[0], 2),
        "niceness": os.nice(0),
        "in_memory": tempfile.gettempdir().startswith("/dev/shm"),
    }


def _rows(most: Mapping[str, int], asked: argparse.Namespace) -> list[dict[str, Any]]:
    rows = []
    for what, sizes in SIZES.items():
        for n in sorted({size for size in sizes if size <= most[what]} | {most[what]}):
            row = {"what": what, "n": n, "now": _measured(ROOT, what, n)}
            if asked.before and what == "submit" and n <= asked.before_submit:
                row["before"] = _measured(asked.before.resolve(), what, n)
            rows.append(row)
            print(json.dumps(row), file=sys.stderr, flush=True)
    return rows


def _measured(checkout: Path, what: str, n: int) -> dict[str, Any]:
    """Measure in a process that imports from a checkout, by this one's script."""
    script = str(Path(__file__).with_name("measured.py"))
    found: dict[str, Any] = said_by(checkout, MEASURE, script, what, str(n))
    return {name: round(value, 4) for name, value in found.items()}
