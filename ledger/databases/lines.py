"""A log in PostgreSQL: each line is written with the rows that follow from it, or neither is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from sqlalchemy import Connection, Engine, delete, func, insert, select

from ledger import tables as following
from ledger.chain import Entry
from ledger.databases.guarding import guarded
from ledger.databases.lock import WORK, require_held
from ledger.databases.migrating import bring_up
from ledger.databases.postgresql import begin, engine_at
from ledger.databases.tables import SCHEMA, identity, log
from ledger.errors import LogAltered, WorkspaceBusy
from ledger.projection import Projection, broken
from unlearning.errors import InfrastructureError, UsageError

NAME = "log in the database"
_TABLES = "tables in the database"
_REMEDY = (
    f"empty the tables {SCHEMA}.requests, {SCHEMA}.runs and {SCHEMA}.meta; they are filled again"
)
_LOCK = 0x4C65_7468_6502  # any number that is ours: "Lethe", 2


class InDatabase:
    """The lines of a log in a database that holds one ledger."""

    def __init__(self, engine: Engine, ledger: str) -> None:
        """Use `open`."""
        self._engine, self._ledger = _translated(engine), ledger

    @classmethod
    def open(cls, url: str, ledger: str) -> InDatabase:
        """The log of a ledger; InfrastructureError if the database is not that ledger's."""
        engine = engine_at(url)
        with _guarded():
            bring_up(engine)
            with engine.connect() as connection:
                got = connection.execute(select(identity.c.ledger)).scalar()
        if got != ledger:
            there = "no ledger" if got is None else "the ledger of another workspace"
            raise InfrastructureError(
                f"database: holds {there}, expected this workspace's: correct its URL, or restore "
                "it from its backup"
            )
        return cls(engine, ledger)

    @classmethod
    def require_free(cls, url: str) -> None:
        """UsageError if the database holds a ledger, or what is left of one."""
        engine = engine_at(url)
        with _guarded():
            bring_up(engine)
            with engine.connect() as connection:
                _require_free(connection)

    @classmethod
    def create(cls, url: str, ledger: str) -> None:
        """Let the database be this ledger's; UsageError if it is another's."""
        engine = engine_at(url)
        with _guarded():
            bring_up(engine)
        with cls(engine, ledger)._writing() as connection:
            if connection.execute(select(identity.c.ledger)).scalar() != ledger:
                _require_free(connection)
                connection.execute(insert(identity).values(id=1, ledger=ledger))

    @classmethod
    def fill(cls, url: str, ledger: str, entries: Sequence[Entry]) -> None:
        """Let a ledger's whole log lie here, with the rows that follow from it: all, or nothing.

        What is there of this ledger is replaced; UsageError if it is another's.
        """
        cls.create(url, ledger)
        with cls(engine_at(url), ledger)._writing() as connection:
            for table in (*following.metadata.sorted_tables, log):
                connection.execute(delete(table))
            at = 0
            for entry in entries:
                at = _write(connection, entry, at)

    @classmethod
    def discard(cls, url: str, ledger: str) -> None:
        """Empty the database of this ledger; another's stays as it is."""
        engine = engine_at(url)
        with _guarded():
            bring_up(engine)
        with cls(engine, ledger)._writing() as connection:
            if connection.execute(select(identity.c.ledger)).scalar() == ledger:
                for table in (*following.metadata.sorted_tables, log, identity):
                    connection.execute(delete(table))

    @property
    def name(self) -> str:
        """What messages call it."""
        return NAME

    def size(self) -> int:
        """The bytes of all lines."""
        with _guarded(), self._engine.connect() as connection:
            return _size(connection)

    def read(self, start: int = 0) -> bytes:
        """The lines from position `start` on."""
        query = select(log.c.line).where(log.c.position >= start).order_by(log.c.seq)
        with _guarded(), self._engine.connect() as connection:
            return b"".join(connection.execute(query).scalars())

    def append(self, entry: Entry, *, at: int) -> None:
        """Write a line and the rows that follow from it, in one transaction.

        WorkspaceBusy if somebody else has written, ProjectionBroken if the rows do not take it.
        """
        with self._writing() as connection:
            self.require_held()  # from here on nobody who took the lock gets past `fence`
            if (got := _size(connection)) != at:
                raise WorkspaceBusy(
                    f"{NAME}: has {got} bytes, expected {at}: another process writes to this "
                    "workspace; wait until it has ended, then try again"
                )
            _write(connection, entry, at)

    def require_held(self) -> None:
        """WorkspaceBusy if this process took the ledger's lock and its connection was lost."""
        require_held(self._ledger, WORK)

    def fence(self) -> None:
        """Let no more come from whoever lost the lock: wait until a line of his is in, or is not.

        InfrastructureError if that takes too long.
        """
        with self._writing():
            pass

    def tables(self, *, read_only: bool) -> Projection:
        """The tables in the same database."""
        return (Projection.copied if read_only else Projection)(self._engine, _TABLES, _REMEDY)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with _guarded(), self._engine.begin() as connection:
            begin(connection, _LOCK)
            yield connection


def _translated(engine: Engine) -> Engine:
    """The same connections, on which tables without a schema are the ledger's."""
    return engine.execution_options(schema_translate_map={None: SCHEMA})


def _size(connection: Connection) -> int:
    end = log.c.position + func.length(log.c.line)
    return connection.execute(select(end).order_by(log.c.seq.desc()).limit(1)).scalar() or 0


def _write(connection: Connection, entry: Entry, at: int) -> int:
    """Write a line at its position with the rows that follow; give the position after it."""
    line = entry.line()
    connection.execute(insert(log).values(seq=entry.seq, position=at, line=line))
    _carry(connection, entry)
    return at + len(line)


def _carry(connection: Connection, entry: Entry) -> None:
    before = connection.execute(select(following.meta.c.last_seq)).scalar() or 0
    if before != entry.seq - 1:
        raise broken(_TABLES, f"they end with entry {before}", _REMEDY)
    with guarded(_TABLES, lambda reason: broken(_TABLES, reason, _REMEDY)):
        following.apply(connection, entry)


def _require_free(connection: Connection) -> None:
    left = (connection.execute(select(table).limit(1)).first() for table in (identity, log))
    if any(left):
        raise UsageError(
            "database: holds the ledger of another workspace, expected one that holds none: each "
            "workspace has a database of its own"
        )


def _guarded() -> AbstractContextManager[None]:
    return guarded(NAME, _altered)


def _altered(reason: str) -> LogAltered:
    return LogAltered(
        f"{NAME}: does not hold a ledger's tables ({reason}): restore it from its backup"
    )
