"""`lethe log --move`: a log in a file goes on in the database that is named."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from flows.cli.work.opening import held
from ledger import durable, keys
from ledger.inbox import Inbox
from ledger.lines.moving import move as move_lines
from systems.settings.ownership import mark_place
from systems.settings.recording import DATABASE_URL, database_url, serving_alone
from systems.settings.workspace import Workspace
from tasks.keeping.verified import verify_records
from tasks.running.holding import workable
from tasks.running.opened import opened
from unlearning.errors import IntegrityError, UsageError


def move(path: Path) -> dict[str, Any]:
    """Move the log; nothing else works in the workspace or serves it meanwhile. Say where it ends.

    UsageError without a database, or while requests wait in the workspace's own inbox: they would
    not be looked for there any more.
    """
    ws = workable(path)
    url = database_url(ws)
    if url is None:
        raise UsageError(
            f"--move: got no database, expected one that is empty: set {DATABASE_URL}, or "
            "`database` in service.yaml"
        )
    durable.make_folder(ws.service)
    with serving_alone(ws), held(ws):
        _require_settled(ws)
        _require_sound(ws)
        chain = move_lines(ws.records, keys.load_public_keys(ws.public_key), url)
        mark_place(ws)
        _require_sound(ws)
    return {"moved": len(chain.entries), "head": chain.head}


def _require_sound(ws: Workspace) -> None:
    """IntegrityError unless log, tables, data and what lies beside the log agree."""
    opened(str(ws.root))
    found = verify_records(ws, None)
    if not found.ok:
        raise IntegrityError(f"{found.problems[0]}: see `lethe verify --log`")


def _require_settled(ws: Workspace) -> None:
    if not ws.received.exists():
        return
    with closing(Inbox.look(ws.inbox, ws.keys)) as inbox:
        waiting = len(inbox.waiting())
    if waiting:
        raise UsageError(
            f"--move: got {waiting} requests that wait in inbox/, expected none: without the "
            "database being named, run `lethe purge` first, or whatever else settles them"
        )
