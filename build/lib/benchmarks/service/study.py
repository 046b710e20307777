"""How soon a run begins after its event, and where the time of a warm run goes.

    python -m benchmarks.service [--workspace DIR]

Serves a copy of a workspace, by default one made like the demo's. Writes
benchmarks/results/service.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchmarks import record
from benchmarks.cost.commands import spread
from benchmarks.samples import ROOT
from flows.events import ACCEPTED, RECEIVED, resource_of
from ledger.domain import State
from systems.data import reading
from systems.settings.workspace import Workspace
from unlearning.errors import InfrastructureError

EVENTS, PEOPLE, PATIENCE = 10, 10, 600.0
WAITING = (
    *(State.RECEIVED, State.ACCEPTED),
    State.EXTRACTING,
    State.UNLEARNING,
    State.JUDGING,
    State.PROMOTING,
)
"""States of a request whose run has not released anything yet."""
COMPUTING = ("unlearned", "judged")
"""Steps that train or measure; all others are orchestration, data and evidence."""


def lethe(root: Path, *words: str) -> dict[str, Any]:
    """Run a command; give its JSON."""
    command = [sys.executable, str(ROOT / "lethe.py"), "--workspace", str(root), "--json", *words]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise InfrastructureError(f"lethe {words[0]}: ended with {ran.returncode}: {ran.stderr}")
    return dict(json.loads(ran.stdout))


def call(url: str, content: object = None) -> Any:
    """Ask an address; post if there is content."""
    body = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read() or b"null")


@contextmanager
def served(root: Path) -> Iterator[str]:
    """Serve a workspace; give Prefect's API once all parts work."""
    ports = [_free() for _ in range(3)]
    names = ("--port", "--prefect-port", "--mlflow-port")
    words = [word for name, port in zip(names, ports, strict=True) for word in (name, str(port))]
    command = [sys.executable, str(ROOT / "lethe.py"), "--workspace", str(root), "serve", *words]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        _until(lambda: _works(f"http://127.0.0.1:{ports[0]}/healthz"))
        yield f"http://127.0.0.1:{ports[1]}/api"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _free() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _works(url: str) -> bool:
    try:
        return bool(call(url)["ok"])
    except (OSError, urllib.error.URLError):
        return False


def _until(wanted: Any) -> Any:
    end = time.monotonic() + PATIENCE
    while not (found := wanted()):
        if time.monotonic() > end:
            raise InfrastructureError(f"waited {PATIENCE:.0f} s in vain; see service/*.log")
        time.sleep(0.1)
    return found


def after(api: str, root: Path, event: str) -> float:
    """Emit an event; give the seconds to the start of the run that it triggers, once it ended."""
    now = datetime.now(UTC)
    _emit(api, root, event)
    return (_moment(_until(lambda: _all_ended(api, now))[0], "start_time") - now).total_seconds()


def forgotten(api: str, root: Path, words: Sequence[str]) -> tuple[str, float]:
    """Submit, and let the event be answered; give the run's name in the log, and its seconds.

    Of the runs that this begins the longest is meant: others find nothing left to do.
    """
    now = datetime.now(UTC)
    request = lethe(root, "submit", *words)["request"]
    _emit(api, root, ACCEPTED)
    _until(lambda: lethe(root, "show", request)["state"] not in WAITING)
    runs = _until(lambda: _all_ended(api, now))
    spans = [(_moment(r, "end_time") - _moment(r, "start_time")).total_seconds() for r in runs]
    return str(lethe(root, "show", request)["run"]), max(spans)


def _emit(api: str, root: Path, event: str) -> None:
    resource = {"prefect.resource.id": resource_of(root)}
    told = {"id": str(uuid4()), "occurred": datetime.now(UTC).isoformat(), "event": event}
    call(f"{api}/events", [{**told, "payload": {}, "resource": resource}])


def _moment(run: dict[str, Any], name: str) -> datetime:
    return datetime.fromisoformat(run[name])


def _all_ended(api: str, since: datetime) -> list[dict[str, Any]]:
    """Give the runs that events began since then, once there are any and all of them ended."""
    filters = {"flow_runs": {"tags": {"all_": ["lethe"]}}, "sort": "EXPECTED_START_TIME_DESC"}
    runs = call(f"{api}/flow_runs/filter", {**filters, "limit": 100})
    new = [r for r in runs if _moment(r, "created") >= since and not r["auto_scheduled"]]
    return new if all(run["end_time"] and run["start_time"] for run in new) else []


def shares(root: Path, run: str) -> dict[str, float]:
    """Give the seconds that each step of a run took, by the times of the log."""
    found: dict[str, float] = {}
    previous = None
    for line in (root / "records" / "log.jsonl").read_text().splitlines():
        entry = json.loads(line)
        at = datetime.fromisoformat(entry["at"])
        if run in entry["key"] and previous is not None and not entry["key"].endswith("started"):
            name = entry["key"].split("/")[1 if entry["event"] != "moved" else 2]
            name = name.rstrip("-0123456789") or name
            found[name] = found.get(name, 0.0) + (at - previous).total_seconds()
        previous = at if run in entry["key"] else previous
    return {name: round(seconds, 3) for name, seconds in found.items()}


def measured(root: Path) -> dict[str, Any]:
    """Serve a workspace and measure both."""
    table = reading.read_table(Workspace.at(root), ["subject_id", "split"])
    rows = zip(table["subject_id"].to_pylist(), table["split"].to_pylist(), strict=True)
    people = sorted({subject for subject, part in rows if part == "train"})[:PEOPLE]
    with served(root) as api:
        _until(lambda: not call(f"{api}/flow_runs/filter", _running()))
        starts = [after(api, root, RECEIVED) for _ in range(EVENTS)]
        words = [word for person in people for word in ("--subject", person)]
        run, seconds = forgotten(api, root, words)
    steps = shares(root, run)
    computing = sum(seconds for name, seconds in steps.items() if name in COMPUTING)
    return {
        "event_to_start": spread(starts),
        "forget": {
            "run": round(seconds, 3),
            "computing": round(computing, 3),
            "beside": round(seconds - computing, 3),
            "steps": steps,
        },
    }


def _running() -> dict[str, Any]:
    kinds = {"type": {"any_": ["RUNNING", "PENDING"]}}
    return {"flow_runs": {"state": kinds}, "limit": 1}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the result."""
    parser = argparse.ArgumentParser(prog="benchmarks.service", description=__doc__)
    parser.add_argument("--workspace", type=Path, help="A workspace that is copied.")
    asked = parser.parse_args(arguments)
    record.perform("service", lambda: _measured(asked.workspace))


def _measured(original: Path | None) -> Path:
    with tempfile.TemporaryDirectory(prefix="lethe-service-") as folder:
        root = Path(folder) / "workspace"
        if original is None:
            lethe(root, "init", "--data", "digits")
        else:
            shutil.copytree(original, root)
        rows = measured(root)
    settings = {"events": EVENTS, "people": PEOPLE, "load": round(os.getloadavg()[0], 1)}
    return record.write("service", settings, rows)
