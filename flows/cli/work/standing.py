"""How requests stand, for whoever only looks: as the ledger has them, or received and waiting."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

from flows.cli.work.opening import ledger_of
from ledger.domain import DeletionRequest, State
from ledger.errors import UnknownReference
from ledger.inbox import Inbox, Waiting
from ledger.requests import Ledger
from systems.settings.receiving import look_into
from systems.settings.workspace import Workspace
from tasks.approval.words import waits_for
from tasks.running.opened import Opened
from tasks.running.records import acknowledged_by, as_record, utc_now
from unlearning.errors import UsageError


def as_received(one: Waiting) -> dict[str, Any]:
    """Show a request that was received and not settled, as the others are shown."""
    return {
        "request": one.ref,
        "state": str(State.RECEIVED),
        "received_at": one.received_at.isoformat(),
        "due_at": one.due_at.isoformat(),
        "days_left": (one.due_at - utc_now()).days,
        **acknowledged_by(one.received_at, one.jurisdiction),
        "jurisdiction": one.jurisdiction,
        "examples": None,
        "reason": None,
        "run": None,
    }


def listed(ledger: Ledger, request: DeletionRequest) -> dict[str, Any]:
    """Show a request that the ledger has, with what it waits for."""
    waits = waits_for(ledger, request)
    return as_record(request) | ({"waits_for": waits} if waits else {})


def as_it_stands(at: Opened, inbox: Inbox, ref: str) -> dict[str, Any]:
    """Show a request by any reference that it was given; UnknownReference.

    at: whose log was not read yet.
    """
    waiting = {one.ref: one for one in inbox.waiting()}  # before the ledger: it only ever leaves
    known = at.ledger.known(inbox.known_as(ref))
    if known is not None:
        return as_record(known)
    if ref not in waiting:
        raise UnknownReference(f"request {ref}: not recorded here: see `lethe list requests`")
    return as_received(waiting[ref])


def all_requests(ws: Workspace, within: timedelta | None, now: datetime) -> list[dict[str, Any]]:
    """Show all requests, the earliest deadline first.

    within: only those still open whose deadline is over or ends within this time.
    """
    with closing(look_into(ws)) as inbox:
        received = inbox.waiting()  # before the ledger, so that none is missed
    ledger = ledger_of(ws)
    found = [(one.due_at, listed(ledger, one)) for one in ledger.requests(within, now)]
    for one in received:
        if ledger.known(one.ref) is None and (within is None or one.due_at <= now + within):
            found.append((one.due_at, as_received(one)))
    return [record for _, record in sorted(found, key=lambda pair: pair[0])]


def unreadable(ws: Workspace) -> Iterator[str]:
    """Say of what waits, and nobody can read any more, what to do."""
    with closing(look_into(ws)) as inbox:
        for one in inbox.waiting():
            if why := inbox.lost(one.ref):
                yield why


def within_days(due: str | None) -> timedelta | None:
    """Read --due; UsageError for anything but a number of days, such as 7d."""
    if due is None:
        return None
    match = re.fullmatch(r"([0-9]{1,4})d", due)
    if not match:
        raise UsageError(f"--due: got {due!r}, expected days such as 7d, 9999d at most")
    return timedelta(days=int(match[1]))
