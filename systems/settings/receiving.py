"""Where a workspace receives requests: in its folder, or in a database that is named by a URL."""

from __future__ import annotations

import os

from ledger.inbox import Inbox
from systems.settings.service import load_service
from systems.settings.workspace import Workspace

DATABASE_URL = "LETHE_DATABASE_URL"


def database_url(ws: Workspace) -> str | None:
    """The database that the environment or service.yaml names; None for files in the workspace."""
    return os.environ.get(DATABASE_URL) or load_service(ws.root).database


def inbox_of(ws: Workspace) -> Inbox:
    """Open a workspace's inbox; no lock is needed. What is missing is made."""
    return Inbox.open(ws.inbox, ws.keys, database_url(ws))


def look_into(ws: Workspace) -> Inbox:
    """Open a workspace's inbox to be read only."""
    return Inbox.look(ws.inbox, ws.keys, database_url(ws))


def may_hold(ws: Workspace) -> bool:
    """Whether anything can have been received."""
    return ws.inbox.is_dir() or database_url(ws) is not None
