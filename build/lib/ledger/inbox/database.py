"""Where an inbox lies: a file of SQLite in the workspace, or PostgreSQL by its URL."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, StaticPool, create_engine, event
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateTable

from ledger import durable
from ledger.databases import postgresql
from ledger.databases.guarding import guarded
from ledger.databases.migrating import bring_up
from ledger.errors import SealAltered
from ledger.inbox import tables
from unlearning.errors import UsageError

FILE, GITIGNORE = "inbox.db", ".gitignore"
_PATIENCE = 20  # seconds that a writer waits for the others'
_AGAIN = 0.02  # seconds between two tries where SQLite does not wait by itself
_POSTGRESQL_LOCK = 0x4C65_7468_6501  # any number that is ours: "Lethe", 1


class Database:
    """The inbox's tables; one writer at a time, however many processes there are."""

    def __init__(self, engine: Engine, name: str, begin: Callable[[Connection], None]) -> None:
        """Use `open`. begin: lets a transaction exclude other writers."""
        self._engine = engine
        self._name = name
        self._begin = begin

    @classmethod
    def open(cls, place: Path, url: str | None) -> Database:
        """Open the inbox at a URL, or in a folder, which is made; create what is missing."""
        return cls._at_url(url) if url else cls._in_folder(place)

    @classmethod
    def look(cls, place: Path, url: str | None) -> Database:
        """Open the inbox to be read only; in a folder nothing is made, what is absent is empty."""
        if url:
            return cls.open(place, url)
        path = place / FILE
        engine = create_engine("sqlite://", creator=lambda: _looked_at(path), poolclass=StaticPool)
        return cls(engine, durable.short_name(path), _begin)

    @classmethod
    def _at_url(cls, url: str) -> Database:
        engine = postgresql.engine_at(url)
        opened = cls(engine, "inbox", partial(postgresql.begin, lock=_POSTGRESQL_LOCK))
        with opened._guarded():
            bring_up(engine)
        return opened

    @classmethod
    def _in_folder(cls, place: Path) -> Database:
        path = place / FILE
        durable.make_folder(place)
        if not path.exists():
            _refuse_occupied(place)
            # A workspace of before there was an inbox has a .gitignore that does not name it.
            durable.write(place / GITIGNORE, b"*\n")
        _make(path)
        address = URL.create("sqlite", database=str(path))  # never parsed: a path may hold a `?`
        engine = create_engine(address, connect_args={"timeout": _PATIENCE})
        event.listen(engine, "connect", _prepare)
        opened = cls(engine, durable.short_name(path), _begin)
        with opened.writing() as connection:
            tables.metadata.create_all(connection)
        return opened

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction that no other writer is in; on the disk when it is left."""
        with self._guarded(), self._engine.begin() as connection:
            self._begin(connection)
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to ask questions, which nobody waits for."""
        with self._guarded(), self._engine.connect() as connection:
            yield connection

    def forget_deleted(self) -> None:
        """Leave no older version of a row in SQLite's write-ahead log."""
        if self._engine.dialect.name == "sqlite":
            with self.reading() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def _guarded(self) -> AbstractContextManager[None]:
        return guarded(self._name, self._broken)

    def _broken(self, reason: str) -> SealAltered:
        return SealAltered(
            f"{self._name}: does not hold an inbox ({reason}): restore it from your backup"
        )


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _make(path: Path) -> None:
    """Make the file, the owner's alone; one that is there is not even opened.

    Closing any descriptor of it drops all locks that this process has on it: whoever closes last
    elsewhere would then remove the write-ahead log from under an open connection.
    """
    with durable.storing(path), suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, durable.PRIVATE))


def _refuse_occupied(place: Path) -> None:
    names = [path.name for path in place.iterdir() if path.suffix != durable.UNFINISHED]
    if set(names) - {FILE, GITIGNORE}:
        raise UsageError(
            f"{place.name}/: holds what is not Lethe's, expected it empty or absent: requests are "
            "received there; move that elsewhere"
        )


def _looked_at(path: Path) -> sqlite3.Connection:
    """Read a file of SQLite and make none beside it; an empty one where there is no inbox."""
    if path.exists():
        found = _at_rest(path) or _connect(_address(path))
        if found.execute("SELECT 1 FROM sqlite_master WHERE name = 'inbox'").fetchone():
            return found
        found.close()
    empty = _connect("file::memory:")
    empty.execute(str(CreateTable(tables.received).compile(dialect=sqlite.dialect())))
    return empty


def _at_rest(path: Path) -> sqlite3.Connection | None:
    """Copy a file that nobody writes to; None if somebody does, or did meanwhile.

    SQLite would make a log beside the file to read it, and could not where nothing may be written.
    """
    before = path.stat()
    copied = _connect("file::memory:")
    with closing(_connect(f"{_address(path)}&immutable=1")) as source:
        if not _log_of(path).exists():
            source.backup(copied)
            if not _log_of(path).exists() and path.stat().st_mtime_ns == before.st_mtime_ns:
                return copied
    copied.close()
    return None


def _connect(address: str) -> sqlite3.Connection:
    return sqlite3.connect(address, uri=True, timeout=_PATIENCE, check_same_thread=False)


def _address(path: Path) -> str:
    return f"{path.absolute().as_uri()}?mode=ro"


def _log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _prepare(connection: Any, _: object) -> None:
    """Let transactions be ours to begin, durable, and what they delete be overwritten."""
    connection.isolation_level = None
    _write_ahead(connection)
    for setting in ("synchronous=FULL", "secure_delete=ON"):
        connection.execute(f"PRAGMA {setting}").close()


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Have the file keep a write-ahead log, which it does from then on.

    SQLite refuses at once, whatever its timeout, where another connection reads or writes the file
    while its log is changed: so does each of two that open a new inbox together.
    """
    for left in reversed(range(round(_PATIENCE / _AGAIN))):
        try:
            return connection.execute("PRAGMA journal_mode=WAL").close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or not left:
                raise
            time.sleep(_AGAIN)
