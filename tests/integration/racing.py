"""Processes that promote at once in one workspace, stopped and killed anywhere, robbed of the lock.

What they promote is registered beforehand; lock, log, registry and compare-and-set are the
product's. Each writes down what it asked and what it was told.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from ledger import lines
from ledger.domain import State
from ledger.errors import WorkspaceBusy
from ledger.replay.lineage import releases
from systems.registry import models
from systems.settings.recording import DATABASE_URL, alone
from systems.settings.workspace import Workspace
from tasks import promote
from tasks.claim import cut_off
from tasks.running.champion import standing
from tasks.running.opened import Opened
from tasks.running.run import Run
from tests.registers import DONE, READ, STALE, Operation, Raced, unanswered
from tests.unit.submitted import accepted, workspace
from unlearning.errors import InfrastructureError, LetheError

WORKERS, ROUNDS, NAME = 4, 1, "lethe"
DISTURBED = 10  # times in one history
POOL = 16
WAITED = (0.005, 0.05)
"""Seconds between two disturbances, from and to: a promotion takes a quarter of one."""
"""Versions that may be promoted; each run takes the next, as in the registry itself."""
RECIPE = {"channels": 1, "size": 2, "classes": 2}
LONGEST = 300.0  # seconds that a history may take


def template(root: Path) -> Path:
    """Make a workspace with a first version that serves, and one for each promotion to come.

    All of them name the same stored bytes: what is raced for is which one serves.
    """
    ws = workspace(root)
    file = root / "made.safetensors"
    save_file({"x": np.zeros(4, np.float32)}, file)
    tags = {"lethe.verdict": "released"}
    first = models.register(ws.mlruns, NAME, file, RECIPE, tags)
    for _ in range(POOL):
        made = {**tags, models.SHA256: first.sha256}
        models._declare(ws.mlruns, NAME, first.model_id, made, None)
    models.promote(ws.mlruns, NAME, 1, expected_parent=None)
    return root


def begin(root: Path, url: str | None) -> None:
    """Let its log begin, in the database if there is one."""
    ws = Workspace.at(root)
    with _named(url):
        if url is not None:
            lines.begin(ws.records, url)
        first = models.version(ws.mlruns, NAME, 1)
        body = {"version": 1, "sha256": first.sha256, "data_version": "0" * 32}
        ledger = Opened(str(root)).ledger
        ledger.record("initialised", body, key="initialised", now=_now())
        for _ in range(POOL):  # what is raced for is the champion, not the receipt
            accepted(ledger, _now())


def work(root: str, worker: int, url: str | None, trail: str) -> None:
    """Be one process: promote one version after the other, each on what serves."""
    with _named(url), Path(trail).open("a", buffering=1) as file:
        at = Workspace.at(root)
        notes = _Notes(file)
        for _ in range(ROUNDS):
            _patiently(at, notes)


def finish(root: str, url: str | None, trail: str) -> None:
    """Go on with what was cut off, as the next command does, and read what serves."""
    with _named(url), Path(trail).open("a", buffering=1) as file, alone(Workspace.at(root)):
        notes = _Notes(file)
        at = Opened(root)
        _go_on(at, notes)
        notes.read(Opened(root))


@dataclass
class _Notes:
    file: Any

    def say(self, run: str, what: str, parent: int, version: int) -> None:
        told = {"at": time.monotonic(), "run": run, "what": what}
        self.file.write(json.dumps({**told, "parent": parent, "version": version}) + "\n")

    def read(self, at: Opened) -> int:
        called = time.monotonic()
        served = standing(at)
        number = served.version if served else 0
        told = {"called": called, "at": time.monotonic(), "what": READ, "version": number}
        self.file.write(json.dumps(told) + "\n")
        return number


def _patiently(ws: Workspace, notes: _Notes) -> None:
    """Try until one of ours is promoted, or refused since another was faster."""
    end = time.monotonic() + LONGEST
    while time.monotonic() < end:
        try:
            with alone(ws), _fenced(Opened(str(ws.root))) as at:
                _go_on(at, notes)
                _promote(at, notes.read(at), notes)
                return
        except _Fenced:
            notes.say("", "fenced", 0, 0)
        except WorkspaceBusy:
            time.sleep(0.05)


class _Fenced(Exception):
    """The lock was lost, and whatever was begun came to nothing."""


@contextmanager
def _fenced(at: Opened) -> Iterator[Opened]:
    """Whoever lost the lock may be refused for it in any words, since his log is an older one."""
    try:
        yield at
    except LetheError as problem:
        try:
            at.ledger.log.require_alone()
        except (WorkspaceBusy, InfrastructureError):  # the connection that asks may be cut as well
            raise _Fenced from problem
        raise


def _go_on(at: Opened, notes: _Notes) -> None:
    """Finish the run that another was killed in."""
    for ref in at.ledger.unfinished_runs():
        run = Run(at, ref)
        if run.done("sealed"):
            _release(run, notes)
        else:
            at.ledger.finish_run(ref, now=_now())
    assert not cut_off(at)


def _promote(at: Opened, parent: int, notes: _Notes) -> None:
    taken = (e for e in at.ledger.log.entries() if e.key.endswith("/begun"))
    version = 1 + max((int(entry.body["version"]) for entry in taken), default=1)
    waiting = (r.ref for r in at.ledger.requests(None, _now()) if r.state is State.ACCEPTED)
    run = Run(at, at.ledger.start_run([next(waiting)], now=_now()))
    made = models.version(at.ws.mlruns, NAME, version)
    run.once("begun", lambda: {"parent": parent, "version": version})
    run.once("extracted", lambda: {"data_version": "0" * 32})
    released = {"decision": "released", "assurance": "A2", "candidate": made.sha256}
    run.once("decided", lambda: released)
    run.once("sealed", lambda: {"statement": "0" * 64})
    _release(run, notes)


def _release(run: Run, notes: _Notes) -> None:
    begun = run.done("begun") or {}
    named = begun["parent"], begun["version"]
    notes.say(run.ref, "called", *named)
    with _registered(run, begun["version"]):
        try:
            _as_the_flow_does(run)
        except promote.StaleChampion:
            notes.say(run.ref, STALE, *named)
            return
    notes.say(run.ref, DONE, *named)
    run.at.ledger.finish_run(run.ref, now=_now())


def _as_the_flow_does(run: Run) -> None:
    for state in (State.EXTRACTING, State.UNLEARNING, State.JUDGING):
        if run.done("promoted") is None:
            run.move(state)
    promote.promote_candidate(run)


@contextmanager
def _registered(run: Run, version: int) -> Iterator[None]:
    """Let the candidate be the version that is registered already."""

    def register(mlruns: Path, name: str, *_: Any) -> models.ModelVersion:
        begun = run.done("begun") or {}
        tags = {"lethe.run": run.ref, "lethe.parent": str(begun["parent"])}
        models.set_tags(mlruns, name, version, tags)
        return models.version(mlruns, name, version)

    before = promote.models.register, promote.candidate_of, promote.erase_version
    promote.models.register = register  # type: ignore[assignment]
    promote.candidate_of = lambda _: (Path(), {})  # type: ignore[assignment]
    promote.erase_version = lambda *_: []  # type: ignore[assignment]  # others have the bytes too
    try:
        yield
    finally:
        promote.models.register, promote.candidate_of, promote.erase_version = before


@contextmanager
def _named(url: str | None) -> Iterator[None]:
    before = os.environ.pop(DATABASE_URL, None)
    if url is not None:
        os.environ[DATABASE_URL] = url
    try:
        yield
    finally:
        os.environ.pop(DATABASE_URL, None)
        if before is not None:
            os.environ[DATABASE_URL] = before


def _now() -> datetime:
    return datetime.now(UTC)


# What happens to them


def race(root: Path, url: str | None, seed: int) -> Raced:
    """Let four processes promote at once while they are stopped, killed and robbed at random.

    They are forked from this one, which has to be of one thread and to know nothing of the
    workspace: a connection to a database is nobody's but its process's.
    """
    rng, context = random.Random(seed), get_context("fork")
    trail = root / "trail.jsonl"

    def started(worker: int) -> Any:
        made = context.Process(target=work, args=(str(root), worker, url, str(trail)))
        made.start()
        return made

    running = {worker: started(worker) for worker in range(WORKERS)}
    counts, end = {"stopped": 0, "killed": 0, "robbed": 0}, time.monotonic() + LONGEST
    while any(one.is_alive() for one in running.values()):
        assert time.monotonic() < end, "the processes did not come to their end"
        time.sleep(rng.uniform(*WAITED))
        worker = rng.choice(sorted(running))
        if running[worker].is_alive() and sum(counts.values()) < DISTURBED:
            what = _disturb(running[worker], Workspace.at(root), url, rng)
            counts[what] += 1
            if what == "killed":
                running[worker] = started(worker)
    assert {one.exitcode for one in running.values()} <= {0, -signal.SIGKILL}
    return _after(root, url, trail, counts)


def _disturb(process: Any, ws: Workspace, url: str | None, rng: random.Random) -> str:
    chance = rng.random()
    if chance < 0.2:
        _signal(process, signal.SIGKILL)
        process.join()
        return "killed"
    _signal(process, signal.SIGSTOP)
    robbed = chance > 0.7
    if robbed:
        _rob(ws, url)
    time.sleep(rng.uniform(0.01, 0.4 if robbed else 0.08))
    _signal(process, signal.SIGCONT)
    return "robbed" if robbed else "stopped"


def _signal(process: Any, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process.pid, number)


def _rob(ws: Workspace, url: str | None) -> None:
    """Take the workspace's lock from whoever holds it, and may be stopped."""
    if url is None:
        ws.lock.unlink(missing_ok=True)
        return
    import psycopg

    held = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
    with psycopg.connect(url, autocommit=True) as connection:
        mine = "AND pid <> pg_backend_pid() AND database = (SELECT oid FROM pg_database "
        mine += "WHERE datname = current_database())"
        connection.execute(f"SELECT pg_terminate_backend(pid) FROM ({held} {mine}) AS holders")


def _after(root: Path, url: str | None, trail: Path, counts: dict[str, int]) -> Raced:
    finish(str(root), url, str(trail))
    with _named(url):
        at = Opened(str(root), reading=True)
        made = releases(at.ledger.log.entries())
        serving = models.champion(at.ws.mlruns, NAME)
    told = [json.loads(line) for line in trail.read_text().splitlines() if line.endswith("}")]
    return Raced(
        _operations(told),
        [(one.version, one.parent or 0) for one in made if one.parent is not None],
        serving.version if serving else 0,
        fenced=sum(one["what"] in ("fenced", STALE) for one in told),
        **counts,
    )


def _operations(told: list[dict[str, Any]]) -> list[Operation]:
    """Put calls and answers together: a run is one promotion, whoever went on with it."""
    reads = [
        Operation(one["called"], one["at"], READ, one["version"])
        for one in told
        if one["what"] == READ
    ]
    runs: dict[str, Operation] = {}
    for one in (one for one in told if one["what"] in ("called", DONE, STALE)):
        known = runs.get(one["run"]) or unanswered(one["at"], one["version"], one["parent"])
        if one["what"] != "called" and known.answered == inf:
            known = Operation(known.called, one["at"], one["what"], one["version"], one["parent"])
        runs[one["run"]] = known
    return [*reads, *runs.values()]
