"""Where a workspace receives requests: in its folder, or in a database that is named by a URL."""

from __future__ import annotations

from ledger.inbox import Inbox
from systems.settings.recording import database_url, require_original
from systems.settings.workspace import Workspace


def inbox_of(ws: Workspace) -> Inbox:
    """Open a workspace's inbox; no lock is needed. What is missing is made.

    OutsideWorkspace for a copy: its original has other keys, and could read nothing from it.
    """
    require_original(ws)
    return Inbox.open(ws.inbox, ws.keys, database_url(ws))


def look_into(ws: Workspace) -> Inbox:
    """Open a workspace's inbox to be read only."""
    return Inbox.look(ws.inbox, ws.keys, database_url(ws))


def may_hold(ws: Workspace) -> bool:
    """Whether anything can have been received."""
    return ws.inbox.is_dir() or database_url(ws) is not None
