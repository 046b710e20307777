"""What was received and is not settled yet: durable at once, without the workspace's lock.

Receiving says nothing about the data, so it needs nothing but this. Whoever holds the lock next
settles what waits here: `tasks.requests.receive`. What a request names lies encrypted in its row
and goes when it is settled; digests of its idempotency key and content stay, so that a repetition
is answered here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, select, update

from ledger import keys as workspace_keys
from ledger.deadlines import due_at, profile_of
from ledger.errors import (
    KeyConflict,
    KeyMissing,
    KeyUnusable,
    Replayed,
    SealAltered,
    UnknownReference,
)
from ledger.inbox.database import Database
from ledger.inbox.payloads import Payloads
from ledger.inbox.received import Incoming as Incoming
from ledger.inbox.received import Receipt as Receipt
from ledger.inbox.received import Sent as Sent
from ledger.inbox.received import Waiting as Waiting
from ledger.inbox.tables import nonces, received
from ledger.inbox.together import Together
from ledger.moments import timestamp
from ledger.requests.submitting import new_reference
from ledger.sealed import encrypt
from unlearning.digests import canonical_json
from unlearning.errors import LetheError, UsageError

UNREADABLE = (KeyMissing, KeyUnusable, SealAltered)
"""What says that nobody can tell any more what a received request named."""

NONCE_WINDOW = timedelta(hours=1)
"""How long a nonce is remembered: at least twice the age at which a signature is refused."""


@dataclass(frozen=True)
class _Arrival:
    """One request on its way in, all that can be done without the database being done."""

    ref: str
    incoming: Incoming
    due_at: datetime
    now: datetime
    plain: bytes
    key_digest: str | None
    content_digest: str | None
    nonce_digest: str | None

    @property
    def row(self) -> dict[str, Any]:
        """What is kept of it."""
        return {
            "ref": self.ref,
            "received_at": timestamp(self.incoming.received_at),
            "due_at": timestamp(self.due_at),
            "jurisdiction": self.incoming.jurisdiction,
            "source": self.incoming.source,
            "key_digest": self.key_digest,
            "content_digest": self.content_digest,
        }


class Inbox:
    """The inbox of one workspace; safe to use from many threads, and from many processes."""

    def __init__(self, database: Database, payloads: Payloads) -> None:
        """Join the tables and the keys; use `open` instead."""
        self._database = database
        self._payloads = payloads
        self._together = Together(self._receive_all)

    @classmethod
    def open(cls, place: Path, keys: Path, url: str | None = None) -> Inbox:
        """Open the inbox in folder `place`, or at a URL of PostgreSQL; make what is missing.

        keys: the workspace's folder of keys. InfrastructureError if the database cannot be used.
        """
        database = Database.open(place, url)
        with database.writing() as connection:
            if not _any_waits(connection):  # a new key would not open what waits under a lost one
                workspace_keys.create_inbox_key(keys)
        return cls(database, Payloads(keys))

    @classmethod
    def look(cls, place: Path, keys: Path, url: str | None = None) -> Inbox:
        """Open it to be read only: nothing is written or made, an absent one is empty."""
        return cls(Database.look(place, url), Payloads(keys))

    def close(self) -> None:
        """Give the connections back; nothing that was received is lost without it."""
        self._database.close()

    def receive(self, incoming: Incoming, *, now: datetime, nonce: str | None = None) -> Receipt:
        """Receive a request; it is on the disk when this returns.

        UsageError for a law that is unknown or a time in the future, KeyConflict if its key came
        before with another content, KeyMissing if the key of what waits is lost. nonce: Replayed if
        its source used it within NONCE_WINDOW; it counts as used also if the request is refused.
        """
        if incoming.received_at > now:
            raise UsageError(
                f"received at {timestamp(incoming.received_at)}: lies after {timestamp(now)}: "
                "expected a time in the past"
            )
        return self._together(self._arrival(incoming, now, nonce))

    def _arrival(self, incoming: Incoming, now: datetime, nonce: str | None) -> _Arrival:
        say, ref = self._payloads, new_reference()
        return _Arrival(
            ref,
            incoming,
            due_at(incoming.received_at, incoming.jurisdiction),
            now,
            canonical_json(incoming.as_value()),
            say.key_digest(incoming),
            say.content_digest(incoming),
            say.nonce_digest(incoming.source, nonce) if nonce is not None else None,
        )

    def waiting(self) -> tuple[Waiting, ...]:
        """What is not settled, in the order in which it was received."""
        query = select(received).where(_is_waiting()).order_by(received.c.number)
        with self._database.reading() as connection:
            return tuple(_waiting(row) for row in connection.execute(query))

    def counted(self) -> tuple[int, datetime | None]:
        """How many wait, and the nearest of their deadlines; however many, nothing else is read."""
        query = select(func.count(), func.min(received.c.due_at)).where(_is_waiting())
        with self._database.reading() as connection:
            count, first = connection.execute(query).one()
        return count, datetime.fromisoformat(first) if first else None

    def opened(self, ref: str) -> Incoming:
        """What a waiting request says: personal data, so not for logs or messages.

        UnknownReference if it does not wait here, SealAltered if it is not what was received,
        KeyMissing if nobody can tell any more.
        """
        query = select(received.c.payload).where(received.c.ref == ref, _is_waiting())
        with self._database.reading() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise UnknownReference(f"request {ref}: does not wait in the inbox")
        return self._payloads.open(ref, row.payload)

    def lost(self, ref: str) -> str | None:
        """Say why nobody can tell what a waiting request says; None if it can be read."""
        try:
            self.opened(ref)
        except UNREADABLE as problem:
            return (
                f"request {ref}: waits in the inbox and cannot be read ({problem}); or end it with "
                f"`lethe deny {ref} --reason TEXT`"
            )
        return None

    def settled(self, ref: str, as_ref: str | None = None) -> None:
        """Destroy what a request said, once the ledger has it; twice is harmless.

        as_ref: the earlier request that it turned out to be; it goes by that name from now on.
        """
        self.all_settled({ref: as_ref})

    def all_settled(self, names: Mapping[str, str | None]) -> None:
        """Do so for many, by reference: what was deleted is overwritten once for all of them."""
        if not names:
            return
        with self._database.writing() as connection:
            for ref, as_ref in names.items():
                _let_go(connection, ref, as_ref)
        self._forget()

    def withdraw(self, ref: str) -> None:
        """Take a request back as if it had never come: its sender is told so at once."""
        with self._database.writing() as connection:
            connection.execute(delete(received).where(received.c.ref == ref, _is_waiting()))
        self._forget()

    def _forget(self) -> None:
        """Leave nothing of what has gone: here in no file, and in no copy once nothing waits."""
        self._database.forget_deleted()
        with self._database.writing() as connection:  # only after the commit that let it go
            if not _any_waits(connection):
                self._payloads.new_key()

    def sent(self, ref: str) -> Sent | None:
        """Who sent a request under a key, also once it is settled; None for no such request."""
        query = select(received).where(received.c.ref == ref)
        with self._database.reading() as connection:
            row = connection.execute(query).first()
        return Sent(row.source, row.as_ref or row.ref, _due(row)) if row else None

    def known_as(self, ref: str) -> str:
        """The reference by which the ledger knows, or will know, a request."""
        query = select(received.c.as_ref).where(received.c.ref == ref)
        with self._database.reading() as connection:
            return str(connection.execute(query).scalar() or ref)

    def _receive_all(self, arrivals: Sequence[_Arrival]) -> Sequence[Receipt | LetheError]:
        with self._database.writing() as connection:
            _forget_nonces(connection, min(arrival.now for arrival in arrivals))
            key = self._payloads.key()  # nobody draws another while this transaction lasts
            return [_receive_one(connection, arrival, key) for arrival in arrivals]


def _receive_one(connection: Connection, arrival: _Arrival, key: bytes) -> Receipt | LetheError:
    try:
        _use_nonce(connection, arrival)
        return _repeated(connection, arrival) or _new(connection, arrival, key)
    except (KeyConflict, Replayed) as refused:  # of this one alone
        return refused


def _new(connection: Connection, arrival: _Arrival, key: bytes) -> Receipt:
    payload = encrypt(key, arrival.ref, arrival.plain)
    connection.execute(insert(received).values({**arrival.row, "payload": payload}))
    return Receipt(arrival.ref, arrival.due_at, repeated=False)


def _repeated(connection: Connection, arrival: _Arrival) -> Receipt | None:
    """The receipt of the request that had this key before, if one had; KeyConflict."""
    if arrival.key_digest is None:
        return None
    query = select(received).where(
        received.c.source == arrival.incoming.source, received.c.key_digest == arrival.key_digest
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    ref = row.as_ref or row.ref
    if row.content_digest != arrival.content_digest:
        raise KeyConflict(
            f"idempotency key: was used by request {ref} with another content, expected the "
            "same: repeat that request as it was, or take a new key"
        )
    return Receipt(ref, _due(row), repeated=True)


def _use_nonce(connection: Connection, arrival: _Arrival) -> None:
    digest = arrival.nonce_digest
    if digest is None:
        return
    if connection.execute(select(nonces).where(nonces.c.digest == digest)).first():
        raise Replayed(
            "nonce: was used before, expected one that is new: sign the request again with another"
        )
    connection.execute(insert(nonces).values(digest=digest, seen_at=timestamp(arrival.now)))


def _forget_nonces(connection: Connection, now: datetime) -> None:
    limit = timestamp(now - NONCE_WINDOW)
    connection.execute(delete(nonces).where(nonces.c.seen_at < limit))


def _let_go(connection: Connection, ref: str, as_ref: str | None) -> None:
    mine = (received.c.ref == ref, _is_waiting())
    if as_ref is None:  # without a key nothing can be its repetition
        connection.execute(delete(received).where(*mine, received.c.key_digest.is_(None)))
    connection.execute(update(received).where(*mine).values(payload=None, as_ref=as_ref))


def _any_waits(connection: Connection) -> bool:
    return connection.execute(select(received.c.ref).where(_is_waiting())).first() is not None


def _is_waiting() -> ColumnElement[bool]:
    return received.c.payload.is_not(None)


def _waiting(row: Row[tuple[object, ...]]) -> Waiting:
    received_at = datetime.fromisoformat(row.received_at)
    return Waiting(row.ref, received_at, _due(row), row.jurisdiction, row.source)


def _due(row: Row[tuple[object, ...]]) -> datetime:
    """The deadline as the law counts it, in its own zone."""
    moment = datetime.fromisoformat(row.due_at)
    return moment.astimezone(profile_of(row.jurisdiction).zone)
