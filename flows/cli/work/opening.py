"""How a command opens a workspace: whole, under its lock, its progress shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.cli.progress import bar, counter
from ledger.errors import WorkspaceBusy
from ledger.lock import BUSY, is_held
from ledger.requests import Ledger
from systems.settings.params import load_params
from systems.settings.recording import lines_of
from systems.settings.workspace import Workspace
from tasks.requests.receive import settle_waiting
from tasks.running import progress
from tasks.running.holding import locked, readable, workable
from tasks.running.opened import Opened, opened
from unlearning.errors import IntegrityError, UsageError


@contextmanager
def working(path: Path, *, restoring: bool = False) -> Iterator[Opened]:
    """Hold an existing workspace for one command; what was received is settled before it.

    restoring: also one that is being restored, for what a person may have to say in it.
    """
    with holding(path, restoring=restoring) as at:
        settle_waiting(at)
        yield at


@contextmanager
def holding(path: Path, *, restoring: bool = False) -> Iterator[Opened]:
    """Hold an existing workspace for what has nothing to do with requests."""
    ws = workable(path, restoring=restoring)
    with held(ws):
        yield opened(str(ws.root))


@contextmanager
def held(ws: Workspace) -> Iterator[None]:
    """Hold a workspace's lock, and show the progress of what is done."""
    epochs, bank, drawn = bar("training"), counter("shadow bank"), counter("drawing", "steps")
    with locked(ws), progress.shown(epochs, bank), progress.drawing_shown(drawn):
        yield


@contextmanager
def ready(path: Path) -> Iterator[Opened]:
    """Hold a workspace whose settings can be used.

    What is wrong in params.yaml is said before anything heavy is imported, which takes seconds; so
    a command's own imports stand inside.
    """
    with working(path) as at:
        load_params(at.ws.root)
        yield at


@contextmanager
def looking(path: Path) -> Iterator[Opened]:
    """Open a workspace whose settings can be used, without the lock, to read it.

    What is found wrong while another process changes it may be what that one is in the middle of.
    """
    ws = readable(path)
    load_params(ws.root)
    before = lines_of(ws).size()
    try:
        yield opened(str(ws.root), reading=True)
    except IntegrityError as problem:
        if is_held(ws.lock) or lines_of(ws).size() != before:
            raise WorkspaceBusy(BUSY) from problem
        raise


def looked_at(ws: Workspace) -> Opened:
    """A workspace to be read only, so without the lock; its log is read once, when first asked."""
    if not ws.has_log:
        raise UsageError(f"{ws.root.name}: is no workspace, expected one: run `lethe init` there")
    return Opened(str(ws.root), reading=True)


def ledger_of(ws: Workspace) -> Ledger:
    """The ledger, to be read only, so without the lock."""
    return looked_at(ws).ledger
