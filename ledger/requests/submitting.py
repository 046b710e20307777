"""How a request comes in: recorded once, as accepted, as denied, or as served already."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ledger.deadlines import due_at
from ledger.domain import DeletionRequest, Selector, State, require_reason
from ledger.errors import KeyConflict
from ledger.moments import timestamp
from ledger.requests.book import Book
from ledger.requests.confirming import ASKED, UNCONFIRMED, clock
from ledger.requests.grounds import NOT_FOUND, require_ground
from ledger.requests.identity import Identity
from ledger.requests.runs import goes_with, was_started
from ledger.requests.twins import note, placed
from unlearning.errors import UsageError


@dataclass(frozen=True)
class Demand:
    """What comes in, and what was found out about it; `Ledger.submit` says what each means."""

    selector: Selector
    received_at: datetime
    jurisdiction: str
    idempotency_key: str | None
    examples: int
    denial: str | None = None
    erased_by: str | None = None
    ref: str | None = None
    source: str | None = None
    hold: str | None = None
    unknown: int = 0
    ground: str | None = None
    identity: Identity | None = None
    asks: str | None = None

    @property
    def nothing_found(self) -> bool:
        """Whether it ends at once as denied."""
        served = self.hold is not None or self.erased_by is not None
        return not served and (self.denial is not None or not self.examples)

    @property
    def unconfirmed(self) -> bool:
        """Whether it has to wait until it is confirmed who asks."""
        return self.asks is not None and self.identity is None and not self.nothing_found


def submit(book: Book, demand: Demand, now: datetime) -> DeletionRequest:
    """Record a request, or give back the one that had its idempotency key before."""
    _check_past(demand.received_at, now)
    with book.lock:
        if demand.ref and book.store.tables.requests(ref=demand.ref):
            return book.request(demand.ref)  # settled before, and a crash came after
        key, selectors = demand.idempotency_key, book.selectors
        digest = selectors.key_digest(key) if key else None
        earlier = book.store.tables.requests(key_digest=digest) if digest else []
        said = (demand.selector, demand.jurisdiction)
        content = selectors.content_digest(key, *said) if key else None
        if earlier:
            return _repeated(book, earlier[0], demand, content)
        ref = demand.ref or new_reference()
        fields = {"key_digest": digest, "content_digest": content, **_fields(book, demand, ref)}
        return _new_request(book, ref, demand.selector, fields, now)


def deny_unread(
    book: Book,
    ref: str,
    received_at: datetime,
    jurisdiction: str,
    reason: str,
    now: datetime,
    ground: str | None = None,
) -> DeletionRequest:
    """Record a request of which nobody can tell what it named, as denied: it has no selector."""
    require_reason(reason, "why: it is logged with `deny`")
    body = {
        "request": ref,
        "commitment": None,
        "state": State.DENIED,
        "received_at": timestamp(received_at),
        "due_at": timestamp(due_at(received_at, jurisdiction)),
        "jurisdiction": jurisdiction,
        "examples": 0,
        "reason": reason,
        "ground": require_ground(ground, jurisdiction),
    }
    with book.lock:
        book.store.record("submitted", body, key=f"{ref}/submitted", now=now)
        return book.request(ref)


def new_reference() -> str:
    """What a request is called from its receipt on."""
    return f"req-{secrets.token_hex(6)}"


def _fields(book: Book, demand: Demand, ref: str) -> dict[str, Any]:
    state, reason, others = _outcome(book, demand, ref)
    run = None if demand.unconfirmed else demand.erased_by
    return {
        "state": state,
        "received_at": timestamp(demand.received_at),
        "due_at": timestamp(due_at(demand.received_at, demand.jurisdiction)),
        "jurisdiction": demand.jurisdiction,
        "examples": demand.examples,
        "reason": reason,
        "run": run if was_started(book, run) else None,
        **({"source": demand.source} if demand.source else {}),
        **({"unknown": demand.unknown} if demand.unknown else {}),
        **({"ground": _ground(demand)} if state is State.DENIED else {}),
        **({"same": others} if others else {}),
        **_identified(demand),
    }


def _identified(demand: Demand) -> dict[str, Any]:
    """What was said of who asks, or that it is asked, and what else the request waits for then."""
    if demand.identity is not None:
        return {"identity": demand.identity.as_value()}
    if not demand.unconfirmed:
        return {}
    question = {"question": demand.hold} if demand.hold else {}
    return {ASKED: clock(str(demand.asks), demand.jurisdiction), **question}


def _ground(demand: Demand) -> str:
    """The ground of a denial at receipt: nothing was found, if nobody has said another."""
    found = NOT_FOUND if demand.denial is None else None
    return require_ground(demand.ground or found, demand.jurisdiction)


def _outcome(book: Book, demand: Demand, ref: str) -> tuple[State, str | None, dict[str, str]]:
    """The first state of a request and why; and why others go with it from now on."""
    if demand.nothing_found:
        return State.DENIED, demand.denial or "the selector matches no example", {}
    if demand.unconfirmed:
        return State.HELD, UNCONFIRMED, {}
    if demand.hold is not None:
        return State.HELD, demand.hold, {}
    if demand.erased_by is not None:
        return State.PURGING, goes_with(demand.erased_by), {}
    verified = demand.identity is not None
    reason, others = placed(book, ref, demand.selector, verified=verified)
    return State.ACCEPTED, reason, others


def _new_request(
    book: Book, ref: str, selector: Selector, fields: dict[str, Any], now: datetime
) -> DeletionRequest:
    with book.selectors.alone():
        book.log.require_alone()  # whoever takes the lock from here on waits until this is over
        # (1) Seal before the log: a crash between the two leaves a sealed file that nobody
        #     refers to, which the next opening removes; never an entry without its selector.
        commitment = book.selectors.put(ref, selector)
        # (2) One entry records receipt and decision, so that no request is ever in between.
        body = {"request": ref, "commitment": commitment, **fields}
        book.store.record("submitted", body, key=f"{ref}/submitted", now=now)
        book.selectors.recorded()
    found = book.request(ref)
    if found.state.terminal:
        book.selectors.destroy(ref)
    else:
        note(book, ref, selector)
    return found


def _repeated(
    book: Book, earlier: DeletionRequest, demand: Demand, content: str | None
) -> DeletionRequest:
    entry = book.log.find(f"{earlier.ref}/submitted")
    known = entry.body.get("content_digest") if entry else None
    if known:
        same = known == content
    else:  # recorded before there were such digests: its key may be gone
        commitment = book.commitment(earlier.ref)
        same = book.selectors.agrees(earlier.ref, demand.selector, commitment)
        same = same and demand.jurisdiction == earlier.jurisdiction
    if not same:
        raise KeyConflict(
            f"idempotency key: was used by request {earlier.ref} with another content, "
            "expected the same: repeat that request as it was, or take a new key"
        )
    return earlier


def _check_past(received_at: datetime, now: datetime) -> None:
    got, limit = timestamp(received_at), timestamp(now)
    if received_at > now:
        raise UsageError(f"received at {got}: lies after {limit}: expected a time in the past")
