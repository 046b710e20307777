"""`lethe serve`: from a posted event to a released model, whichever part is killed on the way."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from ledger.sources import signing
from tasks.running.records import utc_now
from tests.end_to_end.commandline import Lethe
from tests.end_to_end.conftest import MakeLethe
from tests.end_to_end.policies import CHEAP
from tests.end_to_end.traces import people_of
from tests.tampering import LONG

ROOT = Path(__file__).parents[2]
PARTS = ("prefect", "mlflow", "runner")
PATIENCE = 240.0  # seconds; on an idle machine the service is up in 25, and a run takes ten


def answer(url: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Any:
    """Call an address; give the JSON of its answer, whatever its status."""
    request = urllib.request.Request(
        url, body, {"Content-Type": "application/json", **(headers or {})}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as found:
            return json.loads(found.read() or "null")
    except urllib.error.HTTPError as refused:
        return json.loads(refused.read())


@dataclass
class Service:
    """A served workspace, and the process that serves it."""

    lethe: Lethe
    environment: dict[str, str]
    ports: dict[str, int]
    secret: str
    process: subprocess.Popen[bytes] | None = None
    people: list[str] = field(default_factory=list)

    @property
    def door(self) -> str:
        return f"http://127.0.0.1:{self.ports['http']}"

    @property
    def prefect(self) -> str:
        return f"http://127.0.0.1:{self.ports['prefect']}/api"

    def begin(self) -> None:
        words = [f"--{name}-port={self.ports[name]}" for name in ("prefect", "mlflow")]
        command = [sys.executable, str(ROOT / "lethe.py"), "--workspace", str(self.lethe.root)]
        with (self.lethe.temporary / "serve.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "serve", f"--port={self.ports['http']}", *words],
                env=self.environment,
                stderr=log,
                start_new_session=True,
            )
        self.until(lambda: self.health()["ok"], "everything works")

    def health(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = answer(f"{self.door}/healthz")
        except OSError:
            return {"ok": False, "parts": {}}
        return found

    def post(self, count: int = 10) -> str:
        """Ask that some people be forgotten; give the reference."""
        chosen, self.people = self.people[:count], self.people[count:]
        body = json.dumps({"subjects": chosen}).encode()
        headers = signing.headers_for("crm", self.secret, body, now=utc_now(), nonce=uuid4().hex)
        found = answer(f"{self.door}/v1/erasure-requests", body, headers)
        return str(found["request"])

    def until(self, wanted: Callable[[], Any], what: str, seconds: float = PATIENCE) -> None:
        end = time.monotonic() + seconds
        while not wanted():
            if time.monotonic() > end:
                service = self.lethe.root / "service"
                logs = [(log.name, log.read_text()[-800:]) for log in service.glob("*.log")]
                pytest.fail(f"waited in vain until {what}; {self.health()} {logs}")
            time.sleep(0.1)

    def logged(self) -> list[str]:
        return [entry["key"] for entry in self.lethe.entries()]

    def served(self, ref: str) -> bool:
        states = [e["body"].get("state") for e in self.lethe.entries() if ref in e["key"]]
        return "purging" in states and not self.open_runs()

    def open_runs(self) -> list[str]:
        events = {"run_started": 1, "run_finished": -1}
        found: dict[str, int] = {}
        for entry in self.lethe.entries():
            if entry["event"] in events:
                found.setdefault(entry["body"]["run"], 0)
                found[entry["body"]["run"]] += events[entry["event"]]
        return [run for run, left in found.items() if left]

    def processes(self) -> list[str]:
        """What still runs of it, the warm process and its runs too: all have its environment."""
        mark = f"LETHE_TEST={self.environment['LETHE_TEST']}".encode()
        found = []
        for place in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if place.name.isdigit() and mark in (place / "environ").read_bytes():
                    found.append((place / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        return found


@pytest.fixture(scope="module")
def service(make_lethe: MakeLethe, environment: dict[str, str]) -> Iterator[Service]:
    lethe = make_lethe("served")
    lethe.adopt(lethe.write_policy(CHEAP))
    (lethe.root / "policy.yaml").write_text(yaml.safe_dump(CHEAP))
    with served(lethe, environment, people=60) as made:
        yield made


@contextlib.contextmanager
def served(
    lethe: Lethe, environment: dict[str, str], stores: Mapping[str, str] = {}, *, people: int
) -> Iterator[Service]:
    """Serve a workspace without the session's Prefect server, on the stores that are named."""
    own = {name: value for name, value in environment.items() if not name.startswith("PREFECT_A")}
    own |= {**stores, "LETHE_TEST": uuid4().hex, "PYTHONPATH": str(ROOT)}
    del own["PREFECT_HOME"]
    secret = str(lethe("source", "add", "crm").json["secret"])
    left = people_of(lethe.root, "train", people)
    made = Service(lethe, own, free_ports(), secret, people=left)
    made.begin()
    yield made
    if made.process is not None and made.process.poll() is None:
        os.killpg(made.process.pid, signal.SIGKILL)
        made.process.wait()


def free_ports() -> dict[str, int]:
    with contextlib.ExitStack() as held:
        found = {}
        for name in ("http", "prefect", "mlflow"):
            one = held.enter_context(socket.socket())
            one.bind(("127.0.0.1", 0))
            found[name] = one.getsockname()[1]
    return found


def test_runs_are_scheduled_by_the_clock(service: Service) -> None:
    """With another SQLAlchemy the server starts, says nothing, and schedules nothing."""
    body = b'{"limit": 200, "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}'

    def scheduled() -> set[str]:
        runs = answer(f"{service.prefect}/flow_runs/filter", body)
        names = {one["id"]: one["name"] for one in deployments(service)}
        return {names[run["deployment_id"]] for run in runs}

    timed = {"forget", "purge", "deadlines", "audit", "bank", "reconcile", "restore-drill"}
    timed |= {"replay"}
    service.until(lambda: timed <= scheduled(), "each has runs ahead")


def deployments(service: Service) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = answer(f"{service.prefect}/deployments/filter", b"{}")
    return found


def test_a_workspace_is_served_once(service: Service) -> None:
    command = [sys.executable, str(ROOT / "lethe.py"), "--workspace", str(service.lethe.root)]
    ended = subprocess.run(
        [*command, "serve"], env=service.environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 20
    assert "another lethe" in ended.stderr and len(ended.stderr.splitlines()) == 1


def test_a_posted_request_is_released_with_nobody_touching_anything(service: Service) -> None:
    began = time.monotonic()
    ref = service.post()
    assert time.monotonic() - began < 5
    service.until(lambda: service.served(ref), "it is served")
    assert sum(key.endswith("/promoted") for key in service.logged()) == 1
    assert service.lethe.champion()["version"] == 2
    assert service.lethe("verify", "--log").json["ok"]


def test_whichever_part_is_killed_the_run_comes_to_its_end_once(service: Service) -> None:
    """The part that works and the one that starts the others; all where `make proof` asks."""
    parts = ("runner", "prefect", "mlflow", "serve") if LONG else ("runner",)
    for count, part in enumerate(parts, start=2):
        ref = service.post()
        before = len(service.logged())
        service.until(lambda n=before: began(service.logged()[n:]), "it began")
        kill(service, part)
        service.until(lambda r=ref: service.served(r), f"it is served after {part} was killed")
        assert sum(key.endswith("/promoted") for key in service.logged()) == count, part
        service.until(lambda: service.health()["ok"], f"{part} works again")
    assert service.lethe("verify", "--log").json["ok"]


def began(keys: list[str]) -> bool:
    return any(key.endswith("/tracked") for key in keys)


def kill(service: Service, part: str) -> None:
    assert service.process is not None
    if part != "serve":
        os.kill(service.health()["parts"][part]["pid"], signal.SIGKILL)
        return
    service.process.kill()
    service.process.wait()
    service.until(lambda: not service.processes(), "its parts have noticed", 20)
    service.begin()


def test_told_to_stop_it_ends_with_all_that_it_started(service: Service) -> None:
    assert service.process is not None
    assert len(service.processes()) >= 4
    began = time.monotonic()
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(PATIENCE) == 0
    service.until(lambda: not service.processes(), "nothing is left", 10)
    assert time.monotonic() - began < 10
