"""Requests that ask for the same: one of them is canonical, and the others go with it.

The canonical one is the first of which it was confirmed who asks; where it was of none, the one
that was received first. Each keeps its own deadline.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ledger.chain import Entry
from ledger.domain import DeletionRequest, Selector, State
from ledger.requests.book import LOST, Book
from ledger.requests.identity import CONFIRMED
from unlearning.digests import digest_of

Placed = tuple[str | None, dict[str, str]]
"""Why a request goes with another, None where it goes with none; the same of others by reference,
where it takes their place."""


def placed(book: Book, ref: str, selector: Selector, *, verified: bool) -> Placed:
    """Say which of the requests that ask for the same goes with which; nothing is written.

    verified: whether it is confirmed who sent this one, `ref`.
    """
    others = [twin for twin in _twins(book, selector) if twin.ref != ref]
    if not others:
        return None, {}
    first = min(others, key=lambda twin: _rank(book, twin))
    if verified and confirmation(book, first.ref) is None:
        why = f"asks for the same as {ref}, of which it is confirmed who asks: goes with it"
        return None, {twin.ref: why for twin in others}
    return f"asks for the same as {first.ref}, goes with it", {}


def placed_again(book: Book, ref: str) -> dict[str, Any]:
    """Say so of a request whose sender is confirmed just now, as its entry has it."""
    try:
        reason, others = placed(book, ref, book.selector(ref), verified=True)
    except LOST:
        return {}
    if reason is None and not others:
        return {}
    return {"reason": reason, **({"same": others} if others else {})}


def note(book: Book, ref: str, selector: Selector) -> None:
    """Remember what a new request asks for, where that of the others was looked up."""
    if book.asked:  # otherwise the next one fills it
        book.asked.setdefault(_meaning(selector), set()).add(ref)


def _twins(book: Book, selector: Selector) -> Sequence[DeletionRequest]:
    """The requests that wait and ask for the same.

    What all others ask for is opened once, so that each further request costs the same, however
    many wait.
    """
    if not book.asked:
        for request in book.store.tables.requests():
            if not request.state.terminal:
                _note_asked(book, request.ref)
    same = (book.request(ref) for ref in book.asked.get(_meaning(selector), ()))
    return [request for request in same if request.state is State.ACCEPTED]


def _rank(book: Book, request: DeletionRequest) -> tuple[bool, datetime, int]:
    """Confirmed ones first, as they were confirmed; others by receipt, then as they were logged."""
    said = confirmation(book, request.ref)
    if said is not None:
        return False, datetime.fromisoformat(said.at), said.seq
    entry = book.log.find(f"{request.ref}/submitted")  # references are drawn, so have no order
    return True, request.received_at, entry.seq if entry else 0


def confirmation(book: Book, ref: str) -> Entry | None:
    """The entry that says who asks; None if nothing was attested."""
    said = (book.log.find(f"{ref}/{step}") for step in ("submitted", CONFIRMED))
    return next((entry for entry in said if entry and entry.body.get("identity")), None)


def _note_asked(book: Book, ref: str) -> None:
    """Note what a request asks for; nobody can tell of one whose key is lost."""
    try:
        meaning = _meaning(book.selector(ref))
    except LOST:
        return
    book.asked.setdefault(meaning, set()).add(ref)


def _meaning(selector: Selector) -> str:
    return digest_of(selector.ordered().as_value())
