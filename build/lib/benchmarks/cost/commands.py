"""What whole commands cost: seconds of each step, what is not computing, memory, imports.

This process stays small: torch is never imported here, since Linux lets a child's peak memory begin
with the size of the process that started it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

PEOPLE = 10
SAMPLED_EVERY = 0.5  # seconds
HEAVY = ("torch", "timm", "mlflow", "dvc", "prefect", "great_expectations", "pandas", "scipy")

PROBE = f"""
import atexit, json, sys
heavy = {HEAVY!r}
atexit.register(lambda: sys.stderr.write(json.dumps([m for m in heavy if m in sys.modules])))
from flows.cli import main
main(sys.argv[1:])
"""


def environment(home: Path) -> dict[str, str]:
    """Give Prefect a home of its own, as on a machine that never ran it."""
    return {**os.environ, "PREFECT_HOME": str(home), "PREFECT_LOGGING_LEVEL": "WARNING"}


def watched(folder: Path, *command: str) -> dict[str, Any]:
    """Run a command in the workspace below `folder` and give the seconds of its parts."""
    report = folder / "report.json"
    line = [sys.executable, "-m", "benchmarks.cost.watched", str(report)]
    line += ["--workspace", str(folder / "workspace"), "--json", *command]
    began = time.monotonic()
    with (folder / "answer.json").open("w") as answer, (folder / "words").open("w") as words:
        process = subprocess.Popen(line, stdout=answer, stderr=words, env=environment(folder))
        together = _peak_together(process)
    ended = time.monotonic()
    if process.returncode not in (0, 10, 11):
        raise RuntimeError((folder / "words").read_text()[-2000:])
    found = json.loads(report.read_text())
    memory = {**found["peak_mib"], "all_processes_sampled": together}
    return {**parts(found, began, ended), "peak_mib": memory}


def parts(report: Mapping[str, Any], began: float, ended: float) -> dict[str, Any]:
    """Cut a command's wall time into what it was spent on; seconds, and shares of two walls."""
    flow, body = _first(report, "flow"), _first(report, "body")
    command, whole = ended - began, flow["ended"] - flow["began"]
    total = {kind: _total(report, kind) for kind in ("computing", "step", "storing")}
    seconds = {
        "command": command,
        "imports": report["ready"] - began,
        "opening, with the import of data": flow["began"] - report["ready"],
        "import of data": total["storing"],
        "flow": whole,
        "flow: Prefect's server and engine begin": body["began"] - flow["began"],
        "flow: steps": total["step"],
        "flow: steps: computing": total["computing"],
        "flow: steps: records, data and evidence": total["step"] - total["computing"],
        "flow: between steps": body["ended"] - body["began"] - total["step"],
        "flow: Prefect's engine ends": flow["ended"] - body["ended"],
        "exit": ended - flow["ended"],
    }
    shares = {
        "orchestration, of the flow": 1 - total["computing"] / whole,
        "orchestration, of the command": 1 - total["computing"] / command,
        "Prefect and between steps, of the flow": 1 - total["step"] / whole,
    }
    return {
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "shares": {name: round(value, 4) for name, value in shares.items()},
        "steps": _by_name(report, "step"),
        "computing": _by_name(report, "computing"),
    }


def _first(report: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    return next(span for span in report["spans"] if span["kind"] == kind)


def _total(report: Mapping[str, Any], kind: str) -> float:
    return sum(_by_name(report, kind).values())


def _by_name(report: Mapping[str, Any], kind: str) -> dict[str, float]:
    """Add up the seconds of what has the same name, in the order of its first end."""
    seconds: dict[str, float] = {}
    for span in report["spans"]:
        if span["kind"] == kind:
            took = seconds.get(span["name"], 0.0) + span["ended"] - span["began"]
            seconds[span["name"]] = round(took, 3)
    return seconds


def journal(entries: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Give the seconds of each step of the last run in the log, since the step before it."""
    seconds: dict[str, float] = {}
    before = None
    for entry in entries:
        at = datetime.fromisoformat(entry["at"])
        if entry["event"] == "run_started":
            seconds, before = {}, at
        elif entry["event"] == "step" and before is not None:
            name = entry["key"].split("/", 1)[1]
            seconds[name] = round((at - before).total_seconds(), 3)
            before = at
    return seconds


def _peak_together(process: subprocess.Popen[bytes]) -> int | None:
    """Wait for a process; give the peak of what it and its children held at once, in MiB."""
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(_resident(pid) for pid in _family(process.pid)))
        time.sleep(SAMPLED_EVERY)
    return round(peak / 2**10) if peak else None


def _family(root: int) -> set[int]:
    """Give a process and all that descend from it; nothing where there is no /proc."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended meanwhile
            continue
    family = {root} & parents.keys()
    while grown := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= grown
    return family


def _resident(pid: int) -> int:
    """Give a process's share of the memory in KiB: pages that several use are divided by them."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def main_run() -> dict[str, Any]:
    """Do the demo's main run in a new workspace: `init` on digits, then `forget` ten people."""
    with tempfile.TemporaryDirectory(prefix="lethe-cost-") as name:
        folder = Path(name)
        (folder / "workspace").mkdir()
        init = watched(folder, "init", "--data", "digits")
        submit = ("submit", "--key", "cost", *_people(folder / "workspace"))
        reference = json.loads(ran(folder, *submit).stdout)["request"]
        looks = (("list", "requests"), ("show", reference), ("verify", "--log"))
        light = (submit, *looks, ("plan", reference))
        small = {command[0]: costs_of(folder, *command) for command in light}
        forget = watched(folder, "forget", reference)
        answer = json.loads((folder / "answer.json").read_text())
        log = (folder / "workspace" / "records" / "log.jsonl").read_text().splitlines()
        forget["journal"] = journal(map(json.loads, log))
        forget["attempts"] = [(a["method"], a["decision"]) for a in answer["attempts"]]
        return {"init": init, "forget": forget, "commands": {"--help": help_(folder), **small}}


def _people(workspace: Path) -> list[str]:
    """Choose ten people as the demo does, as options of `submit`."""
    from systems.data import reading
    from systems.settings.workspace import Workspace

    table = reading.read_table(Workspace.at(workspace), ["subject_id", "split"])
    rows = zip(table["subject_id"].to_pylist(), table["split"].to_pylist(), strict=True)
    people = sorted({subject for subject, part in rows if part == "train"})[:PEOPLE]
    return [word for person in people for word in ("--subject", person)]


def ran(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in this interpreter's twin, which ends by naming what heavy it imported."""
    line = [sys.executable, "-c", PROBE, "--workspace", str(folder / "workspace"), "--json"]
    return subprocess.run(
        [*line, *command], env=environment(folder), check=True, capture_output=True, text=True
    )


def costs_of(folder: Path, *command: str, times: int = 5) -> dict[str, Any]:
    """Give a light command's wall seconds, over some runs, and the heavy packages it imports."""
    seconds, imported = [], []
    for _ in range(times):
        began = time.perf_counter()
        done = ran(folder, *command)
        seconds.append(time.perf_counter() - began)
        imported = json.loads(done.stderr.splitlines()[-1])
    return {**spread(seconds), "imports": imported}


def help_(folder: Path) -> dict[str, Any]:
    """Time the installed script's `lethe --help`, ten times."""
    script, seconds = Path(sys.executable).with_name("lethe"), []
    for _ in range(10):
        began = time.perf_counter()
        subprocess.run([script, "--help"], check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - began)
    return {**spread(seconds), "imports": costs_of(folder, "--help", times=1)["imports"]}


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Give the median with the least and the greatest."""
    found = {"median": median(values), "min": min(values), "max": max(values)}
    return {**{name: round(value, 4) for name, value in found.items()}, "n": len(values)}
