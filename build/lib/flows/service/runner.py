"""The runner: begins each run that is due as a fork of a process that has everything loaded.

Prefect's own runner starts a process for each run that imports everything anew, fifteen seconds of
it, and looks every ten seconds. This one asks every second. A run begins within a tenth of one.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import TYPE_CHECKING, Any
from uuid import UUID

from flows.service import warm
from flows.service.deployments import AT_START, TABLE, Deployment
from flows.service.marks import Mark, mark_of
from flows.service.prefects import Prefects
from ledger import durable
from systems.settings.quiet import quiet_environment
from systems.settings.workspace import Workspace, private
from tasks.running.records import utc_now
from unlearning.errors import InfrastructureError
from unlearning.processes import end_with

if TYPE_CHECKING:
    from flows.service.prefects import AnyRun

POLL = 1.0
"""Seconds between two questions for runs that are due."""

REAP = 30.0
"""Seconds between two looks for runs whose process is gone."""

BUSY_AGAIN = 30.0
"""Seconds after which a run that found the workspace busy is begun again."""

MOST_REPEATS = 3
"""How often a run is begun again whose process was killed, before only the clock does so."""

PATIENCE = 3.0
"""Seconds that runs have to end when the runner is told to."""

STATUS = "runner.json"
BY_NAME = {one.name: one for one in TABLE}
FRESH = ("Scheduled", "Late")
"""States of a run that was never begun; one that is resumed after an answer is another's."""


@dataclass
class Child:
    """A run under way."""

    run: AnyRun
    of: Deployment
    process: ForkServerProcess


@dataclass
class Runner:
    """The runs of one workspace. stopping: set by a signal. problem: why the last look failed."""

    ws: Workspace
    server: Prefects
    context: ForkServerContext
    children: dict[UUID, Child] = field(default_factory=dict)
    stopping: bool = False
    problem: str | None = None
    reaped_at: float = 0.0

    def serve(self) -> None:
        """Begin what is due until told to stop; then end what is under way."""
        for name in AT_START:
            self.server.begin(name)
        while not self.stopping:
            self._turn()
            self._tell()
            wait([child.process.sentinel for child in self.children.values()], timeout=POLL)
        self._end_all()

    def _turn(self) -> None:
        """One look; a server that does not answer is asked again, and runs go on meanwhile."""
        try:
            self._take_leave()
            if time.monotonic() - self.reaped_at > REAP:
                self._reap()  # before others begin, who would find its slot taken
            self._begin_due()
            self.problem = None
        except Exception as problem:  # noqa: BLE001  # the server's, or of the way to it
            self.problem = f"prefect: {type(problem).__name__}"
            print(f"{utc_now().isoformat()} {problem!r}", file=sys.stderr, flush=True)

    def _begin_due(self) -> None:
        began: dict[str, AnyRun] = {}
        for run in sorted(self.server.due(), key=self._rank):
            name = self.server.name_of(run)
            if name in began and _fresh(run):
                self.server.goes_with(run, began[name])
            elif self._may_begin(BY_NAME[name]) and self._begin(run, BY_NAME[name]):
                began[name] = run

    def _rank(self, run: AnyRun) -> int:
        """In the table's order: what was received is settled before what is long begins."""
        return list(BY_NAME).index(self.server.name_of(run))

    def _may_begin(self, one: Deployment) -> bool:
        at_work = [child.of for child in self.children.values()]
        return one not in at_work and not (one.alone and any(other.alone for other in at_work))

    def _begin(self, run: AnyRun, one: Deployment) -> bool:
        """Begin a run; False if somebody else has it, or it was cancelled."""
        if not self.server.claim(run, mark_of(os.getpid())):
            return False
        process = self.context.Process(target=warm.run, args=(one.flow, str(run.id)))
        process.start()
        self.children[run.id] = Child(run, one, process)
        self.server.note(run.id, mark_of(process.pid or 0))
        return True

    def _take_leave(self) -> None:
        """Look at the runs that have ended, and at those that somebody cancels."""
        for id_, child in list(self.children.items()):
            if child.process.is_alive():
                continue
            self._ended(child)
            del self.children[id_]
        for run in self.server.open() if self.children else ():
            if run.id in self.children and run.state and run.state.is_cancelling():
                self.children[run.id].process.terminate()

    def _ended(self, child: Child) -> None:
        from flows.turns import BUSY

        run = self.server.read(child.run.id)
        if run.state is not None and run.state.name == BUSY:
            self.server.begin(child.of.name, after=BUSY_AGAIN)
        elif run.state is None or run.state.is_running() or run.state.is_pending():
            self._gone(run, f"its process ended with {child.process.exitcode} and said nothing")
        elif run.state.is_cancelling():
            self._end(run, "its process was ended")

    def _reap(self) -> None:
        """End what a kill left open: only runs whose process is known, and gone."""
        for run in self.server.open():
            mark = Mark.read(run.infrastructure_pid)
            if run.id not in self.children and mark is not None and mark.gone:
                self._gone(run, f"its process {mark.pid} is gone")
        self.reaped_at = time.monotonic()

    def _gone(self, run: AnyRun, why: str) -> None:
        self._end(run, why)
        if run.state is None or not run.state.is_cancelling():
            self.server.repeat(run, MOST_REPEATS)

    def _end(self, run: AnyRun, why: str) -> None:
        """Say that a run ended; the lease of whoever was killed would hold its slot for a minute.

        While another run is open, here or elsewhere, the slot may be that one's.
        """
        self.server.end(run, why)
        if not any(BY_NAME[self.server.name_of(one)].alone for one in self.server.open()):
            self.server.free_champion()

    def _tell(self) -> None:
        """Write down what is done, for whoever is asked how the runner is."""
        at_work = sorted(child.of.name for child in self.children.values())
        told = {"at": utc_now().isoformat(), "runs": at_work, "problem": self.problem}
        durable.write(self.ws.service / STATUS, json.dumps(told).encode())

    def _end_all(self) -> None:
        processes = [child.process for child in self.children.values()]
        for process in processes:
            process.terminate()
        until = time.monotonic() + PATIENCE
        for process in processes:
            process.join(max(0.0, until - time.monotonic()))
            process.kill()


def _fresh(run: AnyRun) -> bool:
    return run.state_name in FRESH


def registered(ws: Workspace, context: ForkServerContext) -> dict[str, str]:
    """Register the deployments, by the warm process: it has the flows, and this one need not."""
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=warm.register, args=(str(ws.root), theirs))
    process.start()
    theirs.close()
    try:
        found: Any = ours.recv()
    except EOFError as problem:
        raise InfrastructureError(
            "runner: its warm process ended while it loaded, expected it to stay; see the log of "
            "the service"
        ) from problem
    process.join()
    if isinstance(found, str):
        raise InfrastructureError(f"deployments: {found}")
    return dict(found)


def warmed() -> ForkServerContext:
    """Give processes that begin with everything loaded; the first has to wait for that."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["lethe", "flows.service.loaded"])  # lethe's finder comes first
    return context


def main(arguments: list[str]) -> int:
    """Run the deployments of the workspace named, for the server that PREFECT_API_URL names."""
    from prefect.client.orchestration import get_client

    end_with(int(arguments[1]))
    quiet_environment()
    ws = Workspace.at(arguments[0])
    with private():
        context = warmed()
        ids = registered(ws, context)
        with get_client(sync_client=True) as client:
            runner = Runner(ws, Prefects(client, ids), context)

            def stop(*_: object) -> None:
                runner.stopping = True

            signal.signal(signal.SIGTERM, stop)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            runner.serve()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
