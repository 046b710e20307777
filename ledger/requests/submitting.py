"""How a request comes in: recorded once, as accepted, as denied, or as served already."""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from ledger.deadlines import due_at
from ledger.domain import DeletionRequest, Selector, State, require_reason
from ledger.errors import KeyConflict
from ledger.moments import timestamp
from ledger.requests.book import LOST, Book
from ledger.requests.grounds import NOT_FOUND, require_ground
from ledger.requests.runs import goes_with, was_started
from unlearning.digests import digest_of
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
        fields = {"key_digest": digest, "content_digest": content, **_fields(book, demand)}
        return _new_request(book, demand, fields, now)


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


def _fields(book: Book, demand: Demand) -> dict[str, Any]:
    state, reason = _outcome(book, demand)
    return {
        "state": state,
        "received_at": timestamp(demand.received_at),
        "due_at": timestamp(due_at(demand.received_at, demand.jurisdiction)),
        "jurisdiction": demand.jurisdiction,
        "examples": demand.examples,
        "reason": reason,
        "run": demand.erased_by if was_started(book, demand.erased_by) else None,
        **({"source": demand.source} if demand.source else {}),
        **({"unknown": demand.unknown} if demand.unknown else {}),
        **({"ground": _ground(demand)} if state is State.DENIED else {}),
    }


def _ground(demand: Demand) -> str:
    """The ground of a denial at receipt: nothing was found, if nobody has said another."""
    found = NOT_FOUND if demand.denial is None else None
    return require_ground(demand.ground or found, demand.jurisdiction)


def _outcome(book: Book, demand: Demand) -> tuple[State, str | None]:
    if demand.hold is not None:
        return State.HELD, demand.hold
    if demand.erased_by is not None:
        return State.PURGING, goes_with(demand.erased_by)
    if demand.denial or not demand.examples:
        return State.DENIED, demand.denial or "the selector matches no example"
    twin = _twin(book, demand.selector)
    return State.ACCEPTED, f"asks for the same as {twin}, goes with it" if twin else None


def _twin(book: Book, selector: Selector) -> str | None:
    """The open request, received first, that asks for the same; at one moment, logged first.

    What all others ask for is opened once, so that each further request costs the same, however
    many wait.
    """
    if not book.asked:
        for request in book.store.tables.requests():
            if not request.state.terminal:
                _note_asked(book, request.ref)
    same = (book.request(ref) for ref in book.asked.get(_meaning(selector), ()))
    waiting = (request for request in same if request.state is State.ACCEPTED)
    found = min(
        waiting, key=lambda request: (request.received_at, _logged(book, request)), default=None
    )
    return found.ref if found else None


def _logged(book: Book, request: DeletionRequest) -> int:
    """The number of the entry that recorded the request: references are drawn, so have no order."""
    entry = book.log.find(f"{request.ref}/submitted")
    return entry.seq if entry else 0


def _note_asked(book: Book, ref: str) -> None:
    """Note what a request asks for; nobody can tell of one whose key is lost."""
    try:
        meaning = _meaning(book.selector(ref))
    except LOST:
        return
    book.asked.setdefault(meaning, set()).add(ref)


def _meaning(selector: Selector) -> str:
    return digest_of(asdict(selector.ordered()))


def _new_request(
    book: Book, demand: Demand, fields: dict[str, Any], now: datetime
) -> DeletionRequest:
    ref = demand.ref or new_reference()
    with book.selectors.alone():
        book.log.require_alone()  # whoever takes the lock from here on waits until this is over
        # (1) Seal before the log: a crash between the two leaves a sealed file that nobody
        #     refers to, which the next opening removes; never an entry without its selector.
        commitment = book.selectors.put(ref, demand.selector)
        # (2) One entry records receipt and decision, so that no request is ever in between.
        body = {"request": ref, "commitment": commitment, **fields}
        book.store.record("submitted", body, key=f"{ref}/submitted", now=now)
        book.selectors.recorded()
    found = book.request(ref)
    if found.state.terminal:
        book.selectors.destroy(ref)
    elif book.asked:  # otherwise the next one fills it
        book.asked.setdefault(_meaning(demand.selector), set()).add(ref)
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
