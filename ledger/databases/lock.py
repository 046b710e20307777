"""One writer per ledger in a database, of all machines that have a copy of its workspace."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, OperationalError

from ledger.databases.guarding import code_of, guarded
from ledger.databases.postgresql import engine_at
from ledger.errors import WorkspaceBusy
from unlearning.errors import IntegrityError

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
        with guarded(_NAME, IntegrityError):
            _take(connection, _number(ledger, doing))
        try:
            yield
        finally:
            with suppress(DBAPIError):  # at once: the server takes its time to see it closed
                connection.rollback()


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
