"""One writer per ledger in a database, of all machines that have a copy of its workspace."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from threading import Lock

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from ledger.databases.guarding import code_of, guarded
from ledger.databases.postgresql import engine_at
from ledger.errors import WorkspaceBusy
from ledger.lock import lost
from unlearning.errors import IntegrityError

WORK = "work"
"""What the lock is for under which a ledger is written."""

_NAME = "database"
_HELD = "55P03"
"""PostgreSQL's code for a lock that another session has."""

# A writer that was killed is noticed at once, one whose machine is gone within a minute; one that
# waits for hours while a model trains is not ended for that.
_SETTINGS = text(
    "SELECT set_config(name, value, true) FROM (VALUES ('lock_timeout', '1s'), "
    "('tcp_keepalives_idle', '20'), ('tcp_keepalives_interval', '10'), "
    "('tcp_keepalives_count', '3'), ('idle_in_transaction_session_timeout', '0'), "
    "('transaction_timeout', '0')) AS wanted (name, value) "
    "WHERE EXISTS (SELECT FROM pg_settings WHERE pg_settings.name = wanted.name)"
)

_held: dict[tuple[int, int], Connection] = {}
"""By process and lock, the connections that hold one; a fork has none of its parent's."""

_USED = Lock()
"""A connection is used by one thread at a time."""


@contextmanager
def session_lock(url: str, ledger: str, doing: str) -> Iterator[None]:
    """Hold a ledger's lock by a connection of its own; WorkspaceBusy if another session has it.

    doing: what for; there is one lock for each.

    The server drops it when the connection ends, also by kill -9. It is a transaction's, which does
    nothing else: a pooler hands a connection to others between transactions, its locks with it.
    """
    with guarded(_NAME, IntegrityError):
        connection = engine_at(url).connect()
    with closing(connection):
        connection.detach()
        number = _number(ledger, doing)
        with guarded(_NAME, IntegrityError):
            _take(connection, number)
        own = os.getpid(), number
        _held[own] = connection
        try:
            yield
        finally:
            if _held.get(own) is connection:
                del _held[own]
            with suppress(DBAPIError):  # at once: the server takes its time to see it closed
                connection.rollback()


def require_held(ledger: str, doing: str) -> None:
    """Raise WorkspaceBusy if this process took a ledger's lock and lost it with its connection.

    A transaction that still answers has what it locked.
    """
    connection = _held.get((os.getpid(), _number(ledger, doing)))
    if connection is None:
        return
    try:
        with _USED:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        raise lost("the lock in the database") from error


def _take(connection: Connection, number: int) -> None:
    connection.execute(_SETTINGS)
    try:
        # Without a parameter: one would leave a snapshot open, which keeps old rows for all.
        connection.execute(text(f"SELECT pg_advisory_xact_lock({number})"))
    except OperationalError as error:
        if code_of(error) != _HELD:
            raise
        raise WorkspaceBusy(
            "another lethe, here or on another machine, is at work in this workspace's database: "
            "wait until it has ended, then try again"
        ) from error


def _number(ledger: str, doing: str) -> int:
    digest = hashlib.sha256(f"lethe {doing} {ledger}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
