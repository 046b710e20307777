"""The log and what lies beside it, checked with the public key alone."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from ledger import durable, keys
from ledger.chain import Verification, verify_log
from ledger.log import Log
from ledger.replay.approvals import unapproved
from ledger.replay.beside import check_beside
from ledger.requests import Ledger
from systems.settings.workspace import Workspace
from tasks.approval.unasked import unasked
from tasks.running.lineage import objections


def verify_records(ws: Workspace, head: str | None, key: Path | None = None) -> Verification:
    """Check a workspace's log, what lies beside it, and its tables; each only if the last is ok."""
    public = keys.load_public_keys(key or ws.public_key)
    found = verify_log(ws.log, public)
    if found.ok:
        found = joined(found, check_beside(ws.records, public, head=head))
    if found.ok:
        entries = Log.open(ws.log, public).entries()
        problems = (*objections(entries), *unapproved(entries), *unasked(ws, entries))
        found = joined(found, Verification((), problems))
    if found.ok and (ws.records / "ledger.db").is_file():
        found = joined(found, Ledger.open(ws.records, ws.keys, read_only=True).check())
    if found.ok and ws.received.is_file():
        found = joined(found, Verification((_waiting(ws),), ()))
    return found


def _waiting(ws: Workspace) -> str:
    from ledger.inbox import Inbox  # SQLAlchemy takes half a second to import

    with closing(Inbox.look(ws.inbox, ws.keys)) as inbox:
        return f"{durable.short_name(ws.received)}: {len(inbox.waiting())} requests wait"


def joined(one: Verification, other: Verification) -> Verification:
    """Join what two checks found."""
    return Verification(one.checked + other.checked, one.problems + other.problems)
