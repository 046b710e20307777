"""PostgreSQL by its URL: one set of connections for each process, and how a transaction begins."""

from __future__ import annotations

import os
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError

from unlearning.errors import UsageError

_PATIENCE = "20s"  # how long a writer waits for the others'
_CONNECTING = {
    "application_name": "lethe",
    "connect_timeout": "10",
    # A server that is gone without a word is noticed within a minute.
    "keepalives_idle": "20",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
"""What libpq is told unless the URL says otherwise."""

_BEGIN = text(
    f"SELECT set_config('lock_timeout', '{_PATIENCE}', true), set_config('synchronous_commit',"
    " CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'"
    " ELSE current_setting('synchronous_commit') END, true)"
)
_LOCK = text("SELECT pg_advisory_xact_lock(:lock)")


@lru_cache(maxsize=8)
def engine_at(url: str) -> Engine:
    """The connections to a database; UsageError for a URL that is none of PostgreSQL.

    Messages never hold the URL. A fork begins with none of its parent's connections. Whatever the
    server's default is, each statement sees what was committed before it: who has waited for a lock
    must see what the one before him wrote. Nothing outlives a transaction, no prepared statement
    either, so that a pooler may hand the connection to others in between.
    """
    address = _address(url)
    told = {name: value for name, value in _CONNECTING.items() if name not in address.query}
    arguments: dict[str, Any] = {**told, "prepare_threshold": None}
    try:
        engine = create_engine(
            address,
            isolation_level="READ COMMITTED",
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args=arguments,
        )
    except ModuleNotFoundError as error:
        raise UsageError(
            "database: got a URL of PostgreSQL without psycopg, expected it installed: "
            "pip install 'lethe[postgresql]'"
        ) from error
    os.register_at_fork(after_in_child=partial(engine.dispose, close=False))
    return engine


def _address(url: str) -> URL:
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        address = URL.create("none")
    if address.get_backend_name() != "postgresql":
        raise UsageError("database: got another URL, expected postgresql://USER@HOST/NAME")
    if url.count("@") > 1:  # what follows the first would be part of a password, and be told
        raise UsageError(
            "database: got a URL with two @, expected one: write an @ of the password as %40"
        )
    return address.set(drivername="postgresql+psycopg")


def begin(connection: Connection, lock: int) -> None:
    """Begin a transaction that nobody else under this lock is in, on the disk when it ends."""
    connection.execute(_BEGIN)
    connection.execute(_LOCK, {"lock": lock})
