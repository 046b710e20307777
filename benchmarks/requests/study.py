"""What a request costs on much data: `submit`, one person's erasure, a wrong setting's refusal.

    python -m benchmarks.requests --before CHECKOUT

CHECKOUT is an earlier version of this repository, whose packages the same interpreter runs, turn by
turn on copies of one workspace. Whole commands are timed, with a warm file cache. Writes
benchmarks/results/requests.json; of each number the ratio is of one turn.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import record
from benchmarks.checkouts import said_by
from benchmarks.cost.commands import spread
from benchmarks.requests import people

NOW = Path(__file__).resolve().parents[2]
REFUSED = 2  # exit code

ERASE = """
import json, sys, time
from pathlib import Path
from ledger import durable
from systems.data import erasing, purging, resolving, stores
from systems.settings.quiet import quiet_environment
from systems.settings.workspace import Workspace
from ledger.domain import Selector
quiet_environment()
ws, read = Workspace.at(sys.argv[1]), {"shards": [], "objects": []}
def counted(work, kind):
    def call(*given):
        content = work(*given)
        if kind == "objects" or given[0].suffix == ".parquet":
            read[kind].append(len(content))
        return content
    return call
durable.read = counted(durable.read, "shards")
stores.DvcStore.read = counted(stores.DvcStore.read, "objects")
ids = resolving.resolve_all(ws, [Selector("subject", (sys.argv[2],))])[0].ids
began = time.perf_counter()
erasure = erasing.erase(ws, ids)
purging.purge(ws, erasure.replaced)
told = [erasure.shards] if hasattr(erasure, "shards") else []
assert ids and not purging.holds(ws, ids, *told)
seconds = time.perf_counter() - began
counts = {f"{kind}_read": len(sizes) for kind, sizes in read.items()}
mib = sum(map(sum, read.values())) / 2**20
print(json.dumps({"seconds": seconds, **counts, "mib_read": mib}))
"""


def command(checkout: Path, *words: str, codes: tuple[int, ...] = (0,)) -> dict[str, float]:
    """Run a whole command of a checkout; wall and processor seconds."""
    began, before = time.perf_counter(), os.times()
    ran = subprocess.run([sys.executable, *words], cwd=checkout, capture_output=True, text=True)
    wall, after = time.perf_counter() - began, os.times()
    if ran.returncode not in codes:
        raise RuntimeError(ran.stderr[-2000:])
    used = after.children_user + after.children_system
    return {
        "seconds": wall,
        "processor_seconds": used - before.children_user - before.children_system,
    }


def submit(checkout: Path, workspace: Path, turn: int) -> dict[str, float]:
    """Submit the request of one person, of whom nobody has asked before."""
    words = ("--workspace", str(workspace), "--json", "submit", "--subject", people.name(turn))
    return command(checkout, "-m", "flows.cli", *words)


def refused(checkout: Path, workspace: Path, turn: int) -> dict[str, float]:
    """Ask for a bank while a setting has the wrong type."""
    params = workspace / "params.yaml"
    content = params.read_text()
    params.write_text(content.replace("learning_rate: ", "learning_rate: high #"))
    try:
        words = ("--workspace", str(workspace), "--json", "forget", "--all")
        return command(checkout, "-m", "flows.cli", *words, codes=(REFUSED,))
    finally:
        params.write_text(content)


def erase(checkout: Path, workspace: Path, turn: int) -> dict[str, float]:
    """Erase one person from data, cache and remote; seconds without imports, and what is read."""
    arguments = str(workspace), people.name(1000 + turn)
    found: dict[str, float] = said_by(checkout, ERASE, *arguments)
    return found


WORK: dict[str, Callable[[Path, Path, int], dict[str, float]]] = {
    "submit": submit,
    "erase": erase,
    "wrong setting": refused,
}


def compared(name: str, checkouts: dict[str, Path], folder: Path, turns: int) -> dict[str, Any]:
    """Do one kind of work in every checkout, turn by turn; the first turn only warms up."""
    found: dict[str, list[dict[str, float]]] = {which: [] for which in checkouts}
    for turn in range(turns + 1):
        for which, checkout in checkouts.items():
            found[which].append(WORK[name](checkout, folder / which, turn))
    kept = {which: rows[1:] for which, rows in found.items()}
    numbers = {
        which: {key: spread([row[key] for row in rows]) for key in rows[0]}
        for which, rows in kept.items()
    }
    return {"what": name, **numbers, **_ratios(kept)}


def _ratios(kept: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    if "before" not in kept:
        return {}
    turns = list(zip(kept["now"], kept["before"], strict=True))
    share = {
        key: round(median(now[key] / before[key] for now, before in turns), 4)
        for key in turns[0][0]
        if all(before[key] for _, before in turns)
    }
    return {"now / before": share}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="requests")
    parser.add_argument("--before", type=Path, help="a checkout of an earlier version")
    parser.add_argument("--examples", type=int, default=200_000)
    parser.add_argument("--turns", type=int, default=5)
    given = parser.parse_args()
    checkouts = {"now": NOW, **({"before": given.before.resolve()} if given.before else {})}
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="lethe-requests-") as name:
        folder = Path(name)
        size = people.workspace(folder / "now", given.examples)
        if given.before:
            shutil.copytree(folder / "now", folder / "before", symlinks=True)
        rows = [compared(what, checkouts, folder, given.turns) for what in WORK]
    settings = {
        "examples": given.examples,
        "people": given.examples // people.EACH,
        "shards": people.SHARDS,
        "mib": round(size / 2**20, 1),
        "turns": given.turns,
        "load_before": round(load, 2),
        "niceness": os.nice(0),
    }
    print(record.write("requests", settings, rows))
