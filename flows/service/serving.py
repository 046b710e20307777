"""`lethe serve`: starts the parts, watches them, and ends them all."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from flows.events import resource_of
from flows.service import logs, runner
from flows.service.background import Background
from flows.service.door import Door
from flows.service.logs import say
from flows.service.notifying import Notifier
from flows.service.parts import Part, answers
from flows.service.ports import free_ports
from flows.service.showing import Pages
from ledger import durable
from systems.intake.http import Surroundings
from systems.intake.metrics import Metrics
from systems.intake.receiving import Reception
from systems.intake.viewing.readers import readers
from systems.intake.viewing.shown import Shown
from systems.intake.viewing.signing_in import TOKEN, SignIn, token_at
from systems.registry import server as tracking_server
from systems.registry import views
from systems.settings.receiving import inbox_of
from systems.settings.recording import serving_alone
from systems.settings.service import Ports, Service, load_service
from systems.settings.workspace import Workspace, private
from tasks.running.holding import workable
from tasks.running.records import utc_now
from unlearning.errors import LetheError

LOOK = 1.0
"""Seconds between two looks at the parts."""

STALE = 60.0
"""Seconds after which a runner that wrote nothing down counts as one that does nothing."""


@dataclass(frozen=True)
class Asked:
    """What the command line says; None leaves it to service.yaml."""

    port: int | None = None
    prefect_port: int | None = None
    mlflow_port: int | None = None
    host: str | None = None
    log_format: str | None = None

    def over(self, service: Service) -> Service:
        """Give the settings with what was asked for in their place."""
        ports = service.ports
        chosen = Ports(
            ports.http if self.port is None else self.port,
            ports.prefect if self.prefect_port is None else self.prefect_port,
            ports.mlflow if self.mlflow_port is None else self.mlflow_port,
        )
        host, form = self.host or service.host, self.log_format or service.log_format
        return replace(service, host=host, ports=chosen, log_format=form)


class Served:
    """One service: its parts in the order in which they start, each after the one before answers.

    The HTTP door is there from the first moment on, so that nobody who sends has to wait.
    """

    def __init__(self, ws: Workspace, service: Service) -> None:
        """Describe the parts; nothing is started."""
        self.ws, self.service = ws, service
        self.stopping = False
        host, ports = service.host, service.ports
        self.api = os.environ.get("PREFECT_API_URL") or f"http://{host}:{ports.prefect}/api"
        self.servers = tuple(self._servers())
        self.runner = self._runner()
        self.said: dict[str, bool] = {}
        self.beside: Callable[[], dict[str, Any]] = dict

    @property
    def parts(self) -> tuple[Part, ...]:
        """All of them."""
        return (*self.servers, self.runner)

    def _servers(self) -> Iterator[Part]:
        host, ports = self.service.host, self.service.ports
        if not os.environ.get("PREFECT_API_URL"):
            words = (str(self.ws.root), host, str(ports.prefect))
            address = f"http://{host}:{ports.prefect}"
            ask = answers(f"{self.api}/health")
            log = self.log("prefect")
            yield Part("prefect", "flows.service.prefect_server", words, ask, log, address=address)
        if tracking_server.address(self.ws.mlruns) is None:
            words = (str(self.ws.root), host, str(ports.mlflow))
            address = f"http://{host}:{ports.mlflow}"
            ask = answers(f"{address}/health")
            page = f"{address}{views.page_of_runs(self.ws.mlruns)}"
            log = self.log("mlflow")
            yield Part("mlflow", "flows.service.mlflow_pages", words, ask, log, address=page)

    def _runner(self) -> Part:
        own = {"PREFECT_API_URL": self.api}
        home = {"PREFECT_HOME": str(self.ws.service / "prefect")}
        return Part(
            "runner",
            "flows.service.runner",
            (str(self.ws.root),),
            lambda: runner_problem(self.ws, utc_now()),
            self.log("runner"),
            own if "PREFECT_HOME" in os.environ else own | home,
        )

    def log(self, name: str) -> Path:
        """Where a part's output goes, anew with each start of the service."""
        path = self.ws.service / f"{name}.log"
        durable.write(path, b"")
        return path

    def health(self) -> dict[str, Any]:
        """Say of each part how it is; ok if all work."""
        told = {part.name: part.told() for part in self.parts} | self.beside()
        return {"ok": all(one["ok"] for one in told.values()), "parts": told}

    def work(self, say: Callable[[str], None]) -> None:
        """Start the parts and look at them until told to stop, then end them."""
        for part in self.servers:
            part.start()
        try:
            while not self.stopping:
                self._look_again(say)
                time.sleep(LOOK)
        finally:
            self.end()

    def _look_again(self, say: Callable[[str], None]) -> None:
        """Look, and say what has changed; that it cannot look now ends nobody's work."""
        try:
            self._look()
            self._report(say)
        except (OSError, LetheError) as problem:
            say(f"service: cannot look at its parts now ({type(problem).__name__})")

    def _look(self) -> None:
        for part in self.parts:
            part.look()
        if self.runner.process is None and answers(f"{self.api}/health")() is None:
            self.runner.start()

    def _report(self, say: Callable[[str], None]) -> None:
        """Say what has changed, one line each."""
        for part in self.parts:
            works = part.problem is None
            if self.said.get(part.name, False) != works:
                where = f" at {part.address}" if part.address and works else ""
                say(f"{part.name}: {'works' if works else part.problem}{where}")
                self.said[part.name] = works

    def end(self) -> None:
        """End the runner with what it runs first, since that tells Prefect; then the servers."""
        stop = self.service.timeouts.stop
        self.runner.tell_to_end()
        self.runner.ended(time.monotonic() + stop * 0.6)
        for part in self.servers:
            part.tell_to_end()
        for part in self.servers:
            part.ended(time.monotonic() + stop * 0.2)


def runner_problem(ws: Workspace, now: datetime) -> str | None:
    """Say what is wrong with the runner, by what it wrote down; None if it works."""
    path = ws.service / runner.STATUS
    if not path.is_file():
        return "loads what runs need"
    told = json.loads(durable.read(path))
    silent = (now - datetime.fromisoformat(told["at"])).total_seconds()
    return f"has been silent for {silent:.0f} s" if silent > STALE else told["problem"]


def serve(path: Path, asked: Asked) -> dict[str, Any]:
    """Serve a workspace until told to stop; WorkspaceBusy if it is served already."""
    ws = workable(path)
    durable.make_folder(ws.service)
    service = asked.over(load_service(ws.root))
    logs.begin(service.log_format)
    with private(), serving_alone(ws), ExitStack() as parts:
        service = replace(service, ports=free_ports(service.host, service.ports))
        durable.remove_file(ws.service / runner.STATUS, within=ws.service)
        served = Served(ws, service)
        notify = Notifier(ws, served.api)
        parts.callback(notify.end)
        inbox = parts.enter_context(closing(inbox_of(ws)))
        sign_in = SignIn(token_at(ws.service), lambda: readers(ws.service))
        shown = Shown(Pages(ws).page, sign_in)
        around = Surroundings(notify, served.health, Metrics(), service.witness.at, shown)
        background = Background(ws, service, Reception(inbox, notify, count=around.metrics.count))
        served.beside = background.told
        parts.enter_context(background.running())
        parts.enter_context(Door(ws, service, inbox, around).open())
        with _until_told(served):
            _greet(ws, service)
            served.work(say)
    restarts = {part.name: max(0, len(part.starts) - 1) for part in served.parts}
    return {"served": ws.root.name, "restarts": restarts}


def _greet(ws: Workspace, service: Service) -> None:
    door = f"http://{service.host}:{service.ports.http}"
    say(f"requests: {door}/v1/erasure-requests, described at {door}/docs; health: {door}/healthz")
    say(f"pages: {door}/pages, the owner's token is in {ws.service / TOKEN}")
    say(f"events: of {resource_of(ws.root)}")


@contextmanager
def _until_told(served: Served) -> Iterator[None]:
    """Let SIGINT and SIGTERM end it; a second one changes nothing, the end takes seconds."""

    def stop(*_: object) -> None:
        served.stopping = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
