"""What waits in the inbox is settled: resolved against the data, and accepted, linked or denied.

Whoever holds the workspace's lock does so before anything else. First the ledger has each request,
under the reference that it was received with, then the inbox lets all of them go. A crash between
the two leaves requests that the ledger knows, and settling them again changes nothing.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ledger.domain import COMMAND_LINE, DeletionRequest, State
from ledger.errors import KeyConflict
from ledger.inbox import UNREADABLE, Inbox, Incoming
from ledger.requests.identity import identity_in
from systems.settings.receiving import inbox_of, may_hold
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from unlearning.errors import UsageError

if TYPE_CHECKING:
    from tasks.requests.meaning import Meaning

REUSED_KEY = "its idempotency key was used before with another content: send it with a new key"


class Asked(UsageError):
    """The sender of a request, who waits for the answer, has to say more."""


@dataclass(frozen=True)
class Settled:
    """A request that the ledger has now. unknown: how many of its values belong to nothing."""

    request: DeletionRequest
    unknown: int


def settle_waiting(at: Opened) -> list[Settled]:
    """Settle all that waits; the caller holds the workspace's lock."""
    if not may_hold(at.ws):
        return []
    with closing(inbox_of(at.ws)) as inbox:
        return settle(at, inbox)


def settle(at: Opened, inbox: Inbox, *, present: str | None = None) -> list[Settled]:
    """Settle what waits, in the order in which it came; what cannot be read waits on.

    present: the request whose sender waits for the answer. What only he can say he is asked: it is
    taken back, and Asked or KeyConflict says why. Of the others a person decides: they are held.
    """
    done: dict[str, Settled] = {}
    try:
        for one in inbox.waiting():
            if found := _settle_one(at, inbox, one.ref, present):
                done[one.ref] = found
    finally:  # also if one of them has to be asked: the others are the ledger's by now
        names = {ref: settled.request.ref for ref, settled in done.items()}
        inbox.all_settled({ref: None if name == ref else name for ref, name in names.items()})
    return [_went_on(at, settled) for settled in done.values()]


def _settle_one(at: Opened, inbox: Inbox, ref: str, present: str | None) -> Settled | None:
    """Let the ledger have a request; None for one that cannot be read."""
    if known := at.ledger.known(ref):  # a crash came after, or an older inbox was put back
        return Settled(known, 0)
    try:
        incoming = inbox.opened(ref)
    except UNREADABLE:
        return None
    try:
        return _record(at, incoming, ref, asking=ref == present)
    except (Asked, KeyConflict):
        inbox.withdraw(ref)
        raise


def _went_on(at: Opened, found: Settled) -> Settled:
    """Complete a request whose examples are gone, if no copy of them is left."""
    ref = found.request.ref
    if found.request.state is State.PURGING:
        from tasks.purge import finish_linked  # torch: seconds that other requests need not wait

        finish_linked(at, [ref])
    return replace(found, request=at.ledger.request(ref))


def _record(at: Opened, incoming: Incoming, ref: str, *, asking: bool) -> Settled:
    """Let the ledger have a request, once."""
    from tasks.requests.meaning import Meaning, meaning_of  # pyarrow

    found = meaning_of(at, incoming)
    if asking and found.asked:
        raise Asked(found.asked)
    try:
        return Settled(_submit(at, incoming, ref, found), found.unknown)
    except KeyConflict:
        if asking:
            raise
        keyless = replace(incoming, key=None)
        return Settled(_submit(at, keyless, ref, Meaning(denial=REUSED_KEY)), found.unknown)


def _submit(at: Opened, incoming: Incoming, ref: str, found: Meaning) -> DeletionRequest:
    return at.ledger.submit(
        incoming.selector,
        received_at=incoming.received_at,
        jurisdiction=incoming.jurisdiction,
        idempotency_key=incoming.ledger_key,
        examples=found.examples,
        now=max(utc_now(), incoming.received_at),  # another machine's clock may have been ahead
        denial=found.denial,
        erased_by=found.erased_by,
        ref=ref,
        source=None if incoming.source == COMMAND_LINE else incoming.source,
        hold=found.hold,
        unknown=found.unknown,
        ground=found.ground,
        identity=identity_in(incoming.identity, "identity") if incoming.identity else None,
        asks=at.params.requests.asks,
    )


def deny_unreadable(
    at: Opened, ref: str, reason: str, ground: str | None = None
) -> DeletionRequest | None:
    """End a request that waits and that nobody can read any more; None if it is no such one."""
    if not may_hold(at.ws) or at.ledger.known(ref):
        return None
    with closing(inbox_of(at.ws)) as inbox:
        for one in inbox.waiting():
            if one.ref == ref:
                told = (one.received_at, one.jurisdiction)
                denied = at.ledger.deny_unread(
                    ref, *told, reason=reason, ground=ground, now=utc_now()
                )
                inbox.settled(ref)
                return denied
    return None
