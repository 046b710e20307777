"""Kills at every change of a file, thousands of alterations, orders of events, races: by the tests.

The tests try a seeded sample of each. Here LETHE_PROOF tells them how many to try, and what they
report of themselves becomes the result.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from benchmarks import record
from unlearning.errors import UsageError

ROOT = Path(__file__).parents[2]
DISTURBED = {
    f"{command} {fault}": (
        f"tests/integration/test_disturbed.py::test_at_each_change[{command}-{fault}]",
    )
    for command in ("forget", "purge", "import", "restore", "init")
    for fault in ("killed", "full", "broken")
}
PROOFS: Mapping[str, tuple[str, ...]] = {
    "altered": ("tests/unit/ledger/test_tampering.py", "tests/end_to_end/test_tampered.py"),
    "orders": ("tests/unit/ledger/test_orders.py",),
    "killed": (
        "tests/end_to_end/test_killed.py",
        "tests/end_to_end/test_init_killed.py",
        "tests/integration/test_initialising_killed.py",
        "tests/integration/test_importing_more.py::TestKilled",
        "tests/integration/test_backups.py::TestKilled",
    ),
    **DISTURBED,
    "unanswered": ("tests/integration/test_tracking_server.py::TestFailing",),
    "raced": ("tests/integration/test_race.py",),
    "canary": ("tests/integration/test_canary.py",),
}
"""What is proved, by the tests that try it."""

ORDERS = "runTest", 20
"""The test of random orders, which cannot report of itself, and how many alterations cost one."""


def main() -> None:
    """Run the proofs that are asked for, and write benchmarks/results/proof.json."""
    parser = argparse.ArgumentParser("python -m benchmarks.proof")
    parser.add_argument("--changes", type=int, default=10_000, help="alterations of each kind")
    parser.add_argument("--only", choices=PROOFS, action="append", help="default: all")
    asked = parser.parse_args()
    names = asked.only or list(PROOFS)
    record.perform("proof", lambda: _written(names, asked.changes))


def _written(names: list[str], changes: int) -> Path:
    """Write what was asked for; what an earlier run found of other proofs stays as it was.

    UsageError after that if a test failed: what passed took hours.
    """
    rows = [row for name in names for row in _proved(name, changes)]
    path = record.RESULTS / "proof.json"
    before = json.loads(path.read_text()) if path.exists() else {"rows": []}
    kept = [row for row in before["rows"] if row["proof"] not in names]
    rows = sorted([*kept, *rows], key=lambda row: [*PROOFS].index(row["proof"]))
    written = record.write("proof", {}, rows)
    failed = [row["test"] for row in rows if not row["passed"]]
    if failed:
        raise UsageError(f"{len(failed)} tests failed, expected none; first {failed[0]}")
    return written


def _times(test: str, told: str | None, changes: int) -> int:
    if test == ORDERS[0]:
        return changes // ORDERS[1]
    return int(told) if told else 1


def _proved(name: str, changes: int) -> Iterator[dict[str, Any]]:
    """Run the tests of one proof; give a row for each: what it was asked for and reports."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", *PROOFS[name]]
        limits = ["--timeout=0", f"--junitxml={report}", "-o", "junit_family=xunit1"]
        environment = {**os.environ, "LETHE_PROOF": str(changes)}
        subprocess.run([*command, *limits], cwd=ROOT, env=environment, check=False)
        for case in ElementTree.parse(report).iter("testcase"):
            told = {p.get("name"): p.get("value") for p in case.iter("property")}
            yield {
                "proof": name,
                "test": case.get("name"),
                "changes": changes,
                "n": _times(str(case.get("name")), told.get("n"), changes),
                "passed": case.find("failure") is None and case.find("error") is None,
                "seconds": round(float(case.get("time") or 0), 1),
                **{name: int(str(told[name])) for name in ("of", "fenced") if told.get(name)},
            }
