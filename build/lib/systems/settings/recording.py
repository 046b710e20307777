"""Where a workspace's log lies, and the database that the environment or service.yaml names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from ledger import lines
from ledger.errors import OutsideWorkspace
from ledger.lines import Lines
from ledger.lock import workspace_lock
from ledger.requests import Ledger
from systems.settings.ownership import MARK, mark_place, place_of
from systems.settings.service import load_service
from systems.settings.workspace import Workspace

DATABASE_URL = "LETHE_DATABASE_URL"


def database_url(ws: Workspace) -> str | None:
    """The database that the environment or service.yaml names; None for files in the workspace."""
    return os.environ.get(DATABASE_URL) or load_service(ws.root).database


def log_url(ws: Workspace) -> str | None:
    """The database that the log lies in; None if it lies in a file, whatever is named."""
    return database_url(ws) if ws.elsewhere.is_file() else None


def lines_of(ws: Workspace) -> Lines:
    """The lines of a workspace's log, wherever they lie."""
    return lines.lines_of(ws.records, log_url(ws))


def ledger_at(ws: Workspace, *, read_only: bool) -> Ledger:
    """Open a workspace's ledger; to write, under its lock."""
    return Ledger.open(ws.records, ws.keys, read_only=read_only, lines=lines_of(ws))


def require_free(ws: Workspace) -> None:
    """UsageError if the database that is named for a new workspace holds a ledger already."""
    if url := database_url(ws):
        lines.require_free(url)


def begin(ws: Workspace) -> None:
    """Decide where a new workspace's log lies: in the database, if one is named."""
    if url := database_url(ws):
        lines.begin(ws.records, url)


def go_on(ws: Workspace) -> None:
    """Finish what `begin` was cut off in."""
    if ws.elsewhere.is_file():
        begin(ws)


def discard(ws: Workspace) -> None:
    """Take the log of a workspace back that is not whole yet."""
    lines.discard(ws.records, log_url(ws))


def require_original(ws: Workspace) -> None:
    """OutsideWorkspace for a copy that names a database, which then is its original's.

    What one of them receives, records and erases, the other could not know of: it would lack the
    keys and selectors, and have other data than the log's last.
    """
    place = None if database_url(ws) is None else place_of(ws)
    if place and not place.here(ws):
        raise OutsideWorkspace(
            f"{ws.root.name}: was copied, restored or moved to another disk, and names a database; "
            "expected the one folder that works with it: if that is gone, or this copy has a "
            f"database of its own by dump and restore, remove records/{MARK}"
        )


@contextmanager
def serving_alone(ws: Workspace) -> Iterator[None]:
    """Be the only one that serves a workspace, also of machines that have a copy of it.

    What one of them receives under its key of the inbox, the other could not read.
    """
    require_original(ws)
    with workspace_lock(ws.service / "lock"), lines.held(ws.records, log_url(ws), "service"):
        yield


@contextmanager
def alone(ws: Workspace) -> Iterator[None]:
    """Be the only one that works in a workspace, and that writes to its log; WorkspaceBusy.

    OutsideWorkspace for a copy that names a database.
    """
    require_original(ws)
    with workspace_lock(ws.lock), lines.held(ws.records, log_url(ws)):
        if ws.elsewhere.is_file():
            mark_place(ws)
        yield
