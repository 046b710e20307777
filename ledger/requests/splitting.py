"""A part of a request that is held while the rest goes on: a request of its own, in one entry.

The part is submitted as held, with the reference of the request that it is taken from, and with
that one's receipt, deadline, law and confirmation; so all that is known of requests holds for it
too. What the other one names from then on is sealed beside it and committed to in the same entry.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from ledger.domain import JUDGED_WITH, DeletionRequest, State, require_reason
from ledger.moments import timestamp
from ledger.requests.book import PART_OF as PART_OF
from ledger.requests.book import Book, part_of
from ledger.requests.confirming import EXTENDED, STOOD, extended, identity_of, paused, unconfirmed
from ledger.requests.verbs import Verb, require_sayable
from unlearning.errors import RequestDenied, UsageError

REST = "rest"
"""What a part's entry calls that which the request that it is taken from names since."""

SPLIT = frozenset({State.ACCEPTED, State.HELD})
"""The states of a request that a part may be taken from."""


def split(
    book: Book, ref: str, ids: Collection[str], examples: int, reason: str, now: datetime
) -> DeletionRequest:
    """Hold some examples of a request and return that part; a crash before its entry leaves none.

    ids: of the part, all of them named by the request. examples: how many the request names now.
    """
    require_reason(reason, f"why: it is logged with `{Verb.HOLD}`")
    with book.lock:
        whole, count = book.request(ref), len(set(ids))
        require_sayable(book, Verb.HOLD, whole, SPLIT)
        if unconfirmed(book, ref):
            raise RequestDenied(
                f"request {ref}: waits until it is confirmed who asks, expected one that does not "
                f"to hold some of it: `lethe confirm {ref} --identity METHOD:SYSTEM`"
            )
        if not 0 < count < examples:
            raise UsageError(
                f"request {ref}: got {count} of its {examples} examples to hold, expected "
                "some and not all: without --example it is held as a whole"
            )
        part, rest = book.selector(ref).apart(ids)
        name = part_of(ref, len(book.parts(ref)) + 1)
        with book.selectors.alone():
            book.log.require_alone()
            commitments = book.selectors.put(name, part), book.selectors.put_rest(ref, name, rest)
            body = {
                "request": name,
                "commitment": commitments[0],
                **_fields(book, whole, now),
                "examples": count,
                "reason": reason,
                REST: {"commitment": commitments[1], "examples": examples - count},
            }
            book.store.record("submitted", body, key=f"{name}/submitted", now=now)
            book.selectors.recorded()
        book.asked.clear()  # the other one asks for less now
        return book.request(name)


def _fields(book: Book, whole: DeletionRequest, now: datetime) -> dict[str, Any]:
    """What a part has from the request that it is taken from."""
    entry = book.log.find(f"{whole.ref}/submitted")
    source = entry.body.get("source") if entry else None
    identity, stood = identity_of(book, whole.ref), paused(book, whole.ref, now)
    return {
        PART_OF: whole.ref,
        JUDGED_WITH: whole.ref,
        "state": State.HELD,
        "received_at": timestamp(whole.received_at),
        "due_at": timestamp(whole.due_at),
        "jurisdiction": whole.jurisdiction,
        "run": None,
        **({"source": source} if source else {}),
        **({"identity": dict(identity)} if identity else {}),
        **({STOOD: int(stood.total_seconds())} if stood else {}),
        **({EXTENDED: True} if extended(book, whole.ref) else {}),
    }
