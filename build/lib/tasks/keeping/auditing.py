"""By whose request the champion can be audited: one that waits, whose examples are still held."""

from __future__ import annotations

from ledger.domain import State
from tasks.audit import held_ids
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from unlearning.errors import LetheError

NOTHING_HELD = (
    "no request waits whose training examples are still held: an audit looks for traces of such "
    "examples, and those of served requests are erased"
)


def auditable(at: Opened) -> str | None:
    """Give the open request with the earliest deadline that can be audited; None without one."""
    waiting = (State.ACCEPTED, State.HELD)
    for request in at.ledger.requests(None, utc_now()):
        if request.state in waiting and _held(at, request.ref):
            return request.ref
    return None


def _held(at: Opened, ref: str) -> bool:
    try:
        held_ids(at, ref)
    except LetheError:  # another one may be audited
        return False
    return True
