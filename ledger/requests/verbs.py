"""What a person may say of a request: deny it, hold it, let it go on, extend its deadline.

`VERBS` is the one table of who may say what when. Each verb is one entry of the log.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from ledger.clock import come_to, told, turned
from ledger.deadlines import due_at, extended_due_at
from ledger.domain import DeletionRequest, State, require_reason
from ledger.moments import timestamp
from ledger.requests.book import Book
from ledger.requests.confirming import extended, paused, unconfirmed
from ledger.requests.grounds import require_ground
from unlearning.errors import RequestDenied


class Verb(StrEnum):
    """What is said of a request."""

    EXTEND = "extend"
    DENY = "deny"
    HOLD = "hold"
    RESUME = "resume"


@dataclass(frozen=True)
class Rule:
    """When a verb may be said. states: of the request. to: its next one, None if it stays.

    event: of the log's entry.
    """

    states: frozenset[State]
    to: State | None
    event: str


VERBS: Mapping[Verb, Rule] = {
    Verb.EXTEND: Rule(frozenset(s for s in State if not s.terminal), None, "extended"),
    Verb.DENY: Rule(
        frozenset({State.RECEIVED, State.ACCEPTED, State.HELD, State.FAILED}),
        State.DENIED,
        "denied",
    ),
    Verb.HOLD: Rule(frozenset({State.RECEIVED, State.ACCEPTED}), State.HELD, "held"),
    Verb.RESUME: Rule(frozenset({State.HELD}), State.ACCEPTED, "resumed"),
}
"""A request of an unfinished run is nobody's to deny or hold: the run is aborted first."""


def say(
    book: Book, verb: Verb, ref: str, reason: str, now: datetime, ground: str | None = None
) -> DeletionRequest:
    """Record a verb with its reason; RequestDenied if the request's state does not allow it.

    ground: of a denial, `other` for None; UsageError for one that the law does not know.
    A denied request's key is destroyed; a crash just before that leaves it to the next opening.
    """
    require_reason(reason, f"why: it is logged with `{verb}`")
    with book.lock:
        current, rule = book.request(ref), VERBS[verb]
        require_sayable(book, verb, current, rule.states)
        said = _extension(book, current, now) if rule.to is None else {"state": rule.to}
        if verb is Verb.DENY:
            said = {**said, "ground": require_ground(ground, current.jurisdiction)}
        body = {"request": ref, "reason": reason, **said}
        book.store.record(rule.event, body, key=book.next_key(ref), now=now)
        found = book.request(ref)
        if found.state.terminal:
            book.selectors.destroy(ref)
        return found


def require_sayable(
    book: Book, verb: Verb, current: DeletionRequest, states: Collection[State]
) -> None:
    """Raise RequestDenied where the state of a request, or its run, does not allow a verb."""
    ref, rule = current.ref, VERBS[verb]
    run = next((r for r, refs in book.store.tables.unfinished_runs().items() if ref in refs), None)
    if rule.to is not None and run is not None:
        raise RequestDenied(
            f"request {ref}: is in run {run}, {verb} expected one that no run works on: first "
            f"`lethe abort {run} --reason TEXT`, or let it end with `lethe forget`"
        )
    if verb is Verb.RESUME and unconfirmed(book, ref):
        raise RequestDenied(
            f"request {ref}: waits until it is confirmed who asks, resume expected one that does "
            f"not: `lethe confirm {ref} --identity METHOD:SYSTEM`, or deny it"
        )
    if current.state not in states:
        why = f" ({current.reason})" if current.reason and current.state.terminal else ""
        raise RequestDenied(
            f"request {ref}: is {current.state}{why}, {verb} expected one that is "
            f"{', '.join(sorted(states))}: see `lethe show {ref}`"
        )


def _extension(book: Book, current: DeletionRequest, now: datetime) -> dict[str, Any]:
    """The law's longest deadline, once, and the day by which the person is told of it and why."""
    stood, entries = paused(book, current.ref, now), book.log.entries()
    moment = come_to(turned(entries, told(entries)), book.begun_with(current.ref), now)
    due = extended_due_at(current.received_at, current.jurisdiction, now=moment, paused=stood)
    if current.due_at >= due or extended(book, current.ref):  # while a clock stands, due grows
        raise RequestDenied(
            f"request {current.ref}: its deadline was extended to {current.due_at.isoformat()}, "
            "expected one that was not yet: the law knows no second extension, answer it by then"
        )
    first = due_at(current.received_at, current.jurisdiction, paused=stood)
    return {"due_at": timestamp(due), "inform_by": timestamp(first)}
