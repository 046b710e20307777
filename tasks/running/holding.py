"""How a workspace is held for work: whole, under its lock, by one process at a time."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ledger.errors import WorkspaceBusy as WorkspaceBusy
from systems.settings import beginning
from systems.settings.quiet import quiet_environment
from systems.settings.recording import alone
from systems.settings.restoring import require_finished
from systems.settings.workspace import Workspace, make_private, private
from tasks.requests.receive import settle_waiting
from tasks.running.opened import Opened, opened
from unlearning.errors import InfrastructureError, UsageError

POLL = 0.2
"""Seconds between two looks at a lock that another process holds."""


def readable(path: Path | str, *, restoring: bool = False) -> Workspace:
    """Give a workspace that is there, and whole. restoring: or one that is being restored."""
    quiet_environment()
    ws = Workspace.at(path)
    if not ws.records.is_dir():
        raise UsageError(f"{ws.root.name}: is no workspace, expected one: run `lethe init` there")
    if beginning.begun(ws):
        raise UsageError(
            f"{ws.root.name}: `lethe init` did not come to its end here, expected a whole "
            "workspace: run it again, it goes on"
        )
    if not restoring:
        require_finished(ws)
    return ws


def workable(path: Path | str, *, restoring: bool = False) -> Workspace:
    """Give a workspace that can be worked in, its folders closed to everybody else."""
    ws = readable(path, restoring=restoring)
    if not os.access(ws.records, os.W_OK):
        raise InfrastructureError(
            f"{ws.root.name}: is read-only, expected a workspace that can be written; "
            "make it writable and try again"
        )
    ws.require_whole()  # before any mode is changed, which follows links
    make_private(ws)
    return ws


@contextmanager
def locked(ws: Workspace, *, wait: float = 0) -> Iterator[None]:
    """Hold a workspace's lock; WorkspaceBusy if another holds it for longer than `wait` seconds."""
    with private(), ExitStack() as held:
        _enter(held, ws, time.monotonic() + wait)
        yield


def _enter(held: ExitStack, ws: Workspace, until: float) -> None:
    while True:
        try:
            return held.enter_context(alone(ws))
        except WorkspaceBusy:
            if time.monotonic() >= until:
                raise
        time.sleep(POLL)


@contextmanager
def holding(path: Path | str, *, wait: float = 0) -> Iterator[Opened]:
    """Hold an existing workspace for one piece of work; what was received is settled before it."""
    ws = workable(path)
    with locked(ws, wait=wait):
        at = opened(str(ws.root))
        settle_waiting(at)
        yield at
