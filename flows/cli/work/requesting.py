"""`lethe submit`: what is to be forgotten, and since when, is received without the lock."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from flows.cli.work.opening import held, looked_at
from flows.cli.work.standing import as_it_stands
from ledger.deadlines import profile_of
from ledger.domain import COMMAND_LINE, Selector
from ledger.errors import WorkspaceBusy
from ledger.inbox import Inbox, Incoming, Receipt
from ledger.requests.identity import identity_in, identity_in_words
from systems.settings.receiving import inbox_of
from systems.settings.workspace import Workspace
from tasks.requests.receive import settle
from tasks.running.holding import workable
from tasks.running.opened import Opened, opened
from tasks.running.records import as_record, utc_now
from unlearning.errors import LetheError, UsageError

EARLIEST_YEAR = 2000
"""No request under today's laws was received before; a year such as 0026 is mistyped."""


def selector_of(
    subject: Sequence[str] | None,
    example: Sequence[str] | None,
    class_: Sequence[str] | None,
    where: str | None,
) -> Selector:
    """Read what is to be forgotten; exactly one way of saying it."""
    given = [option for option in (subject, example, class_, where) if option]
    if len(given) != 1:
        raise UsageError(
            f"submit: got {len(given)} of --subject, --example, --class, --where; expected one"
        )
    if subject:
        return Selector("subject", tuple(subject))
    if example:
        return Selector("example", tuple(example))
    if class_:
        return Selector("class", tuple(class_))
    column, equals, value = str(where).partition("=")
    if not (column and equals and value):
        raise UsageError("--where: got something else, expected COLUMN=VALUE")
    return Selector("where", (value,), column)


def submit(
    path: Path,
    selector: Selector,
    received_at: str | None,
    jurisdiction: str,
    key: str | None,
    *,
    as_written: bool = False,
    identity: str | None = None,
) -> dict[str, Any]:
    """Receive a request, and settle it at once if nobody else is at work in the workspace.

    Values that look like one of the data and are none are asked about, unless meant as_written.
    notes: that an identity was not taken, where the request was received before under its key.
    """
    received = _moment(received_at, profile_of(jurisdiction).zone)
    ws = workable(path)
    if identity is not None:
        identity_in(identity, "--identity")
    incoming = Incoming(selector, received, jurisdiction, COMMAND_LINE, key, as_written, identity)
    with closing(inbox_of(ws)) as inbox:
        receipt = inbox.receive(incoming, now=utc_now())
        try:
            return _settled(ws, inbox, receipt, incoming)
        except WorkspaceBusy:
            at = looked_at(ws)
            found = as_it_stands(at, inbox, receipt.ref) | {"unknown": None}
            return found | _notes(at, inbox, receipt, identity)
        except LetheError as problem:
            raise _still_received(inbox, receipt, problem) from problem


def _settled(ws: Workspace, inbox: Inbox, receipt: Receipt, asked: Incoming) -> dict[str, Any]:
    present = None if receipt.repeated else receipt.ref
    with held(ws):
        at = opened(str(ws.root))
        settled = settle(at, inbox, present=present)
        found = at.ledger.request(inbox.known_as(receipt.ref))
        unknown = [one.unknown for one in settled if one.request.ref == found.ref]
        count = unknown[0] if unknown else _unknown(at, asked.selector)
        told = _notes(at, inbox, receipt, asked.identity)
        return {**as_record(found), "unknown": count, **told}


def _notes(
    at: Opened, inbox: Inbox, receipt: Receipt, identity: str | None
) -> dict[str, list[str]]:
    """Say that a repetition's identity was not taken; nothing if it is the one that is known."""
    ref = inbox.known_as(receipt.ref)
    if identity is None or not (receipt.repeated or ref != receipt.ref):
        return {}
    request, known = at.ledger.known(ref), at.ledger.identity(ref)
    if known == identity_in(identity, "--identity").as_value():
        return {}
    before = f"request {ref}: was received before under this key"
    if known is not None:
        before, onward = f"{before}, and is confirmed ({identity_in_words(known)})", "nothing to do"
    elif request is None:
        onward = f"see `lethe show {ref}` once it is settled"
    elif request.state.terminal:
        onward = f"it is {request.state}, which needs none"
    else:
        onward = f"`lethe confirm {ref} --identity {identity}` takes it"
    return {"notes": [f"{before}: this --identity was not taken: {onward}"]}


def _unknown(at: Opened, selector: Selector) -> int:
    """Count the values, of a request that was settled before, that belong to nothing now."""
    from tasks.extract import find

    return len(find(at.ws, [selector])["unknown"])


def _still_received(inbox: Inbox, receipt: Receipt, problem: LetheError) -> LetheError:
    """Say of a request that could not be settled that it was received all the same."""
    if all(one.ref != receipt.ref for one in inbox.waiting()):
        return problem
    return type(problem)(
        f"request {receipt.ref}: was received, due {receipt.due_at.isoformat()}, and waits to be "
        f"settled: {problem}"
    )


def _moment(text: str | None, zone: ZoneInfo) -> datetime:
    """Read a time; one that names no zone is a time where the law counts its days."""
    if text is None:
        return utc_now()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as problem:
        raise UsageError(
            f"--received-at: got {text!r}, expected ISO 8601 such as 2026-01-31T09:00:00Z"
        ) from problem
    moment = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    if moment.year < EARLIEST_YEAR or moment.year > utc_now().year + 1:
        raise UsageError(
            f"--received-at: got {text!r}, expected a day since {EARLIEST_YEAR} and not in the "
            "future: correct the year"
        )
    return moment
