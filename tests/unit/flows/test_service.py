"""The service's parts, each by itself: marks of processes, ports, parts, the runner's decisions."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
import yaml

from flows.events import RECEIVED, resource_of
from flows.service import parts as parts_module
from flows.service import runner as runner_module
from flows.service import serving
from flows.service.deployments import TABLE, manifests
from flows.service.marks import Mark, mark_of
from flows.service.notifying import Notifier
from flows.service.parts import Part
from flows.service.ports import free_ports
from flows.service.runner import BUSY_AGAIN, MOST_REPEATS, Child, Runner
from systems.settings.service import Ports, Schedules, Service
from systems.settings.workspace import Workspace
from unlearning.errors import InfrastructureError

ROOT = Path(__file__).parents[3]


class TestMarks:
    def test_a_process_that_lives_is_not_gone(self) -> None:
        mark = mark_of(os.getpid())
        assert not mark.gone
        assert Mark.read(str(mark)) == mark

    def test_one_that_was_killed_is_gone(self) -> None:
        other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        mark = mark_of(other.pid)
        assert not mark.gone
        other.kill()
        other.communicate()
        assert mark.gone

    def test_a_number_that_was_given_again_is_another_process(self) -> None:
        mark = mark_of(os.getpid())
        assert Mark(mark.host, mark.boot, mark.pid, mark.started - 1).gone

    def test_what_runs_elsewhere_is_left_alone(self) -> None:
        mark = mark_of(os.getpid())
        assert not Mark("another", mark.boot, 1, 1).gone
        assert Mark.read("another:123") is None and Mark.read(None) is None


class TestPorts:
    def test_a_taken_port_is_named_with_its_option(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            with pytest.raises(InfrastructureError, match=rf"port {port} .*--prefect-port") as said:
                free_ports("127.0.0.1", Ports(0, port, 0))
            assert said.value.exit_code == 20

    def test_none_is_any_free_one(self) -> None:
        found = free_ports("127.0.0.1", Ports(0, 0, 0))
        assert len({found.http, found.prefect, found.mlflow}) == 3


class TestParts:
    @pytest.fixture
    def part(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Part:
        """A part that ends at once."""
        real = subprocess.Popen

        def start(_: Sequence[str], **rest: Any) -> Any:
            return real([sys.executable, "-S", "-c", "raise SystemExit(3)"], **rest)

        monkeypatch.setattr(parts_module.subprocess, "Popen", start)
        return Part("x", "flows.x", (), lambda: None, tmp_path / "log")

    def test_one_that_ends_is_started_again_later_each_time_and_not_for_ever(
        self, part: Part, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = 1000.0
        monkeypatch.setattr(parts_module.time, "monotonic", lambda: now)
        part.start()
        for _ in range(200):
            if part.process is not None:
                part.process.wait()
            part.look()
            now += 0.5
        gaps = [later - one for one, later in zip(part.starts, part.starts[1:], strict=False)]
        assert gaps == sorted(gaps) and gaps[-1] >= 16
        assert len(part.starts) == parts_module.MOST_STARTS
        assert part.told()["state"] == "given up"
        assert part.told()["problem"] == "ended with 3"

    def test_health_says_what_each_does(self, part: Part) -> None:
        part.start()
        assert part.process is not None
        part.process.wait()
        part.look()
        assert part.told()["ok"] is False
        assert part.told()["restarts"] == 0


NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)


@dataclass
class Run:
    """A flow run as a server would give it."""

    of: str
    name: str = "run"
    state_name: str = "Scheduled"
    tags: list[str] = field(default_factory=list)
    infrastructure_pid: str | None = None
    id: UUID = field(default_factory=uuid4)
    kind: str = "scheduled"

    @property
    def state(self) -> Any:
        return SimpleNamespace(
            name=self.state_name,
            is_running=lambda: self.kind == "running",
            is_pending=lambda: self.kind == "pending",
            is_cancelling=lambda: self.kind == "cancelling",
        )


@dataclass
class Server:
    """What the runner asks of Prefect; notes what it was told."""

    waiting: list[Run] = field(default_factory=list)
    opened: list[Run] = field(default_factory=list)
    said: list[tuple[Any, ...]] = field(default_factory=list)

    def due(self) -> list[Run]:
        return self.waiting

    def open(self) -> list[Run]:
        return self.opened

    def name_of(self, run: Run) -> str:
        return run.of

    def read(self, run: UUID) -> Run:
        return next(one for one in self.waiting + self.opened if one.id == run)

    def claim(self, run: Run, mark: Mark) -> bool:
        self.said.append(("claimed", run.of))
        return True

    def note(self, run: UUID, mark: Mark) -> None: ...

    def goes_with(self, run: Run, other: Run) -> None:
        self.said.append(("goes with", run.name, other.name))

    def end(self, run: Run, why: str) -> None:
        self.said.append(("ended", run.name))
        self.opened = [one for one in self.opened if one is not run]

    def free_champion(self) -> None:
        self.said.append(("freed",))

    def begin(self, name: str, *, after: float = 0, tags: Sequence[str] = ()) -> None:
        self.said.append(("begun", name, after))

    def repeat(self, run: Run, most: int) -> bool:
        self.said.append(("repeated", run.name, most))
        return True


@dataclass
class Process:
    """A run's process."""

    alive: bool = True
    exitcode: int = 0
    pid: int = 1
    sentinel: int = 0
    told: list[str] = field(default_factory=list)

    def start(self) -> None: ...

    def is_alive(self) -> bool:
        return self.alive

    def terminate(self) -> None:
        self.told.append("terminate")


class TestRunner:
    @pytest.fixture
    def runner(self, tmp_path: Path) -> Runner:
        context: Any = SimpleNamespace(Process=lambda **_: Process())
        server: Any = Server()
        return Runner(Workspace(tmp_path), server, context)

    @staticmethod
    def turn(runner: Runner) -> list[tuple[Any, ...]]:
        server: Any = runner.server
        before = len(server.said)
        runner._turn()
        assert runner.problem is None
        return list(server.said[before:])

    def child(self, runner: Runner, run: Run, process: Process) -> None:
        of: Any = next(one for one in TABLE if one.name == run.of)
        anything: Any = process
        found: Any = run
        runner.children[run.id] = Child(found, of, anything)

    def test_many_events_are_one_run(self, runner: Runner) -> None:
        runner.server.waiting = [Run("intake", f"{n}") for n in range(3)]  # type: ignore[attr-defined]
        assert self.turn(runner) == [
            ("claimed", "intake"),
            ("goes with", "1", "0"),
            ("goes with", "2", "0"),
        ]

    def test_who_works_under_the_lock_works_alone_and_intake_comes_first(
        self, runner: Runner
    ) -> None:
        waiting = [Run("forget"), Run("intake"), Run("reconcile"), Run("purge")]
        runner.server.waiting = waiting  # type: ignore[attr-defined]
        assert self.turn(runner) == [("claimed", "intake"), ("claimed", "reconcile")]

    def test_a_run_that_is_resumed_is_never_dropped(self, runner: Runner) -> None:
        asked = Run("forget", "asked", state_name="Resuming")
        runner.server.waiting = [Run("forget", "new"), asked]  # type: ignore[attr-defined]
        assert self.turn(runner) == [("claimed", "forget")]

    def test_who_found_it_busy_comes_again(self, runner: Runner) -> None:
        run = Run("purge", state_name="Busy", kind="completed")
        runner.server.opened = [run]  # type: ignore[attr-defined]
        self.child(runner, run, Process(alive=False))
        assert ("begun", "purge", BUSY_AGAIN) in self.turn(runner)
        assert runner.children == {}

    def test_what_a_kill_left_is_ended_and_begun_again(self, runner: Runner) -> None:
        run = Run("forget", kind="running", infrastructure_pid=str(mark_of(os.getpid())))
        self.child(runner, run, Process(alive=False, exitcode=-9))
        runner.server.opened = [run]  # type: ignore[attr-defined]
        assert self.turn(runner) == [
            ("ended", "run"),
            ("freed",),
            ("repeated", "run", MOST_REPEATS),
        ]

    def test_the_slot_of_the_killed_is_free_before_the_next_begins(self, runner: Runner) -> None:
        """Its lease would last a minute, in which whoever goes on with its work finds it busy."""
        here = mark_of(os.getpid())
        gone = str(Mark(here.host, here.boot, here.pid, here.started - 1))
        killed = Run("forget", "killed", kind="running", infrastructure_pid=gone)
        runner.server.opened = [killed]  # type: ignore[attr-defined]
        runner.server.waiting = [Run("forget", "next")]  # type: ignore[attr-defined]
        said = self.turn(runner)
        assert said.index(("freed",)) < said.index(("claimed", "forget"))

    def test_only_runs_whose_process_is_gone_are_reaped(self, runner: Runner) -> None:
        here = mark_of(os.getpid())
        gone = Mark(here.host, here.boot, here.pid, here.started - 1)
        runs = [
            Run("forget", "alive", kind="running", infrastructure_pid=str(here)),
            Run("forget", "gone", kind="running", infrastructure_pid=str(gone)),
            Run("forget", "elsewhere", kind="running", infrastructure_pid="host:7"),
            Run("forget", "unknown", kind="pending"),
        ]
        runner.server.opened = runs  # type: ignore[attr-defined]
        runner.reaped_at = time.monotonic() - runner_module.REAP - 1
        said = self.turn(runner)
        assert [one for one in said if one[0] == "ended"] == [("ended", "gone")]
        assert ("freed",) not in said  # one of those who live may have it

    def test_a_cancelled_run_is_told_to_end_and_not_begun_again(self, runner: Runner) -> None:
        run, process = Run("forget", kind="cancelling"), Process()
        self.child(runner, run, process)
        runner.server.opened = [run]  # type: ignore[attr-defined]
        self.turn(runner)
        assert process.told == ["terminate"]
        process.alive = False
        assert self.turn(runner) == [("ended", "run"), ("freed",)]

    def test_a_server_that_is_away_is_asked_again(self, runner: Runner) -> None:
        def away() -> list[Run]:
            raise ConnectionError("away")

        runner.server.due = away  # type: ignore[method-assign,assignment]
        runner._turn()
        assert runner.problem == "prefect: ConnectionError"


class TestHealth:
    def test_a_runner_that_is_silent_is_told_of(self, tmp_path: Path) -> None:
        ws = Workspace(tmp_path)
        assert serving.runner_problem(ws, NOW) == "loads what runs need"
        ws.service.mkdir()
        told = {"at": NOW.isoformat(), "runs": [], "problem": None}
        (ws.service / runner_module.STATUS).write_text(json.dumps(told))
        assert serving.runner_problem(ws, NOW) is None
        later = NOW + timedelta(seconds=serving.STALE + 1)
        assert "silent" in (serving.runner_problem(ws, later) or "")


def test_events_come_as_one_and_are_repeated_until_taken(tmp_path: Path) -> None:
    taken: list[Any] = []

    class Api(BaseHTTPRequestHandler):
        refuse = 1

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            code = 503 if Api.refuse else 204
            Api.refuse = 0
            if code == 204:
                taken.append(json.loads(body)[0])
            self.send_response(code)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    notify = Notifier(Workspace(tmp_path), f"http://127.0.0.1:{server.server_port}")
    for number in range(50):
        notify(f"req-{number}")
    until = time.monotonic() + 20
    while not taken and time.monotonic() < until:
        time.sleep(0.02)
    notify.end()
    server.shutdown()
    server.server_close()
    assert [one["event"] for one in taken] == [RECEIVED]
    assert taken[0]["payload"] == {"requests": 50}
    assert taken[0]["resource"] == {"prefect.resource.id": resource_of(tmp_path)}


class TestTable:
    def test_each_schedule_of_the_settings_is_a_deployments(self) -> None:
        named = {one.schedule for one in TABLE if one.schedule}
        assert named == set(vars(Schedules()))
        assert {one.name: one.cron(Service()) for one in TABLE}["reconcile"] == "*/15 * * * *"

    def test_the_file_for_work_pools_says_the_same(self) -> None:
        """Made by hand for process, Docker and Kubernetes; held against the one table here."""
        tree = yaml.safe_load((ROOT / "infra" / "prefect.yaml").read_text())
        told = [
            {
                "name": one["name"],
                "entrypoint": one["entrypoint"],
                "cron": next((s["cron"] for s in one.get("schedules", ())), None),
                "event": next((t["expect"][0] for t in one.get("triggers", ())), None),
            }
            for one in tree["deployments"]
        ]
        assert told == list(manifests())
        pools = {one["work_pool"]["name"] for one in tree["deployments"]}
        assert pools == {"{{ $LETHE_WORK_POOL }}"}
