"""Who asks is confirmed: at receipt, or later of a request that waits for it.

A request waits where the workspace demands it and nothing was said. Its deadline runs on, or, where
both the workspace and the law say so, stands still until then. What waits so keeps nobody else's
examples from being erased: anybody could ask for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from ledger.chain import Entry
from ledger.deadlines import due_at, longest_due_at, profile_of
from ledger.domain import DeletionRequest, State
from ledger.moments import timestamp
from ledger.requests.book import Book
from ledger.requests.identity import CONFIRMED, Identity, identity_in_words
from ledger.requests.twins import confirmation, placed_again
from unlearning.errors import RequestDenied

ASKED = "identity_asked"
"""Name in the body of the entry on a request's receipt."""

RUNS, PAUSES = "runs", "pauses"
"""What the clock does while a request waits."""

STOOD, EXTENDED = "paused", "extended"
"""How long a clock stood still, and whether a deadline was extended, in bodies."""

UNCONFIRMED = "waits until it is confirmed who asks: `lethe confirm`"


def clock(wanted: str, jurisdiction: str) -> str:
    """What the clock does under a law: it pauses only where the law lets it."""
    return PAUSES if wanted == PAUSES and profile_of(jurisdiction).pauses else RUNS


def identity_of(book: Book, ref: str) -> Mapping[str, Any] | None:
    """What was attested of who asks; None if nothing was."""
    entry = confirmation(book, ref)
    return None if entry is None else dict(entry.body["identity"])


def unconfirmed(book: Book, ref: str) -> bool:
    """Whether a request was asked who it is from, and nobody has said so yet."""
    return _asked(book, ref) is not None and book.log.find(f"{ref}/{CONFIRMED}") is None


def unconfirmed_among(entries: Iterable[Entry]) -> frozenset[str]:
    """All requests of which that is so, by the log."""
    asked, said = set[str](), set[str]()
    for entry in entries:
        if entry.event == "submitted" and ASKED in entry.body:
            asked.add(str(entry.body["request"]))
        elif entry.event == CONFIRMED:
            said.add(str(entry.body["request"]))
    return frozenset(asked - said)


def paused(book: Book, ref: str, now: datetime) -> timedelta:
    """How long a request's clock has stood still, until now or until it was confirmed."""
    begun = book.log.find(f"{ref}/submitted")
    if begun is not None and (stood := begun.body.get(STOOD)):
        return timedelta(seconds=stood)  # a part has it from the request that it is taken from
    asked, said = _asked(book, ref), book.log.find(f"{ref}/{CONFIRMED}")
    if asked is None or asked.body[ASKED] != PAUSES:
        return timedelta(0)
    until = now if said is None else datetime.fromisoformat(said.at)
    return max(timedelta(0), until - datetime.fromisoformat(asked.at))


def extended(book: Book, ref: str) -> bool:
    """Whether a request's deadline was extended before."""
    begun = book.log.find(f"{ref}/submitted")
    if begun is not None and begun.body.get(EXTENDED):
        return True
    return any(e.event == EXTENDED and e.body["request"] == ref for e in book.log.entries())


def confirm(book: Book, ref: str, identity: Identity, now: datetime) -> DeletionRequest:
    """Record who confirmed how who asks, once; a request that waited for it goes on.

    RequestDenied for one that has ended, or that was confirmed before.
    """
    with book.lock:
        current = book.request(ref)
        _check(book, current)
        body = {"request": ref, "identity": identity.as_value(), **_onward(book, current, now)}
        book.store.record(CONFIRMED, body, key=f"{ref}/{CONFIRMED}", now=now)
        return book.request(ref)


def _check(book: Book, current: DeletionRequest) -> None:
    ref, known = current.ref, identity_of(book, current.ref)
    if current.state.terminal:
        raise RequestDenied(f"request {ref}: is {current.state}, confirm expected an open one")
    if known is not None:
        raise RequestDenied(
            f"request {ref}: was confirmed ({identity_in_words(known)}), expected one that was not "
            f"yet: see `lethe show {ref}`"
        )


def _onward(book: Book, current: DeletionRequest, now: datetime) -> dict[str, Any]:
    """What a confirmation changes: the state of what waited for it, its deadline, who is first."""
    waited = unconfirmed(book, current.ref)
    question = _question(book, current.ref) if waited else None
    if question is not None:
        return {"state": State.HELD, "reason": question, **_moved(book, current, now)}
    said: dict[str, Any] = {}
    if waited:
        said = {"state": State.ACCEPTED, "reason": None, **_moved(book, current, now)}
    if waited or current.state is State.ACCEPTED:
        said |= placed_again(book, current.ref)
    return said


def _moved(book: Book, current: DeletionRequest, now: datetime) -> dict[str, Any]:
    """The deadline by the time that the clock stood still; nothing where it ran on."""
    stood = paused(book, current.ref, now)
    if not stood:
        return {}
    limit = longest_due_at if extended(book, current.ref) else due_at
    due = limit(current.received_at, current.jurisdiction, paused=stood)
    return {"due_at": timestamp(due), STOOD: int(stood.total_seconds())}


def _asked(book: Book, ref: str) -> Entry | None:
    entry = book.log.find(f"{ref}/submitted")
    return entry if entry is not None and ASKED in entry.body else None


def _question(book: Book, ref: str) -> str | None:
    entry = _asked(book, ref)
    return entry.body.get("question") if entry is not None else None
