"""The request table: what the log says, as rows of a database that can be asked questions.

It holds nothing of its own. Deleting it costs a replay; editing it is found by `differences`.
Importing this module loads SQLAlchemy, half a second that `requests` puts off until it opens.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, NullPool, Row, StaticPool, create_engine, func, insert, select

from ledger import tables
from ledger.chain import GENESIS, Entry
from ledger.databases.guarding import guarded
from ledger.deadlines import profile_of
from ledger.domain import DeletionRequest, State
from ledger.errors import ProjectionBroken

Snapshot = dict[str, dict[str, dict[str, Any]]]


_REMEDY = "delete the file; it is made again from the log"


class Projection:
    """The tables of one workspace: in a file, in memory, or in a database with the log."""

    def __init__(self, engine: Engine, name: str, remedy: str = _REMEDY) -> None:
        """Take tables that are there. name: stands in messages; remedy: makes broken ones anew."""
        self._engine = engine
        self.name = name
        self._remedy = remedy

    @classmethod
    def on_disk(cls, path: Path) -> Projection:
        """Open the tables in a file for reading and writing."""
        address = URL.create("sqlite", database=str(path))  # never parsed: a path may hold a `?`
        # No connection outlives its transaction, so there is nothing to close.
        return cls(create_engine(address, poolclass=NullPool), path.name)._made()

    @classmethod
    def in_memory(cls, copy_of: Path | None = None) -> Projection:
        """Tables that vanish with the process: empty, or a copy of a file that is only read."""
        memory = _memory(copy_of)
        engine = create_engine("sqlite://", creator=lambda: memory, poolclass=StaticPool)
        return cls(engine, copy_of.name if copy_of else "replay")._made()

    @classmethod
    def copied(cls, source: Engine, name: str, remedy: str) -> Projection:
        """Tables in memory, filled with what those of another database hold at one moment."""
        made = cls(cls.in_memory()._engine, name, remedy)
        with made._guarded(), source.connect() as there, made._engine.begin() as here:
            there.execution_options(isolation_level="REPEATABLE READ")
            for table in tables.metadata.sorted_tables:
                if rows := [dict(row._mapping) for row in there.execute(select(table))]:
                    here.execute(insert(table), rows)
        return made

    def _made(self) -> Projection:
        """Itself, with the tables that were missing."""
        with self._guarded():
            tables.metadata.create_all(self._engine)
        return self

    def position(self) -> tuple[int, str]:
        """Seq and hash of the last entry that was applied."""
        rows = self._rows(select(tables.meta.c.last_seq, tables.meta.c.last_hash))
        return (rows[0].last_seq, rows[0].last_hash) if rows else (0, GENESIS)

    def apply(self, entries: Sequence[Entry]) -> None:
        """Bring the tables up to the last of these entries, all or none of them.

        Those that are in them by now are passed over: whoever lost the workspace's lock, and was
        held up before this, comes after another has gone on.
        """
        if entries:
            with self._guarded(), self._engine.begin() as connection:
                known = tables.position(connection)
                for entry in (entry for entry in entries if entry.seq > known):
                    tables.apply(connection, entry)

    def requests(
        self, *, ref: str | None = None, key_digest: str | None = None
    ) -> list[DeletionRequest]:
        """The requests, the earliest deadline first; narrowed by what is given."""
        query = select(tables.requests).order_by(tables.requests.c.due_at, tables.requests.c.ref)
        if ref is not None:
            query = query.where(tables.requests.c.ref == ref)
        if key_digest is not None:
            query = query.where(tables.requests.c.key_digest == key_digest)
        return [_request(row) for row in self._rows(query)]

    def still_open(self) -> tuple[int, datetime | None]:
        """How many requests have not ended, and the nearest of their deadlines; counted there."""
        ended = [state for state in State if state.terminal]
        due = tables.requests.c.due_at
        query = select(func.count(due), func.min(due)).where(tables.requests.c.state.not_in(ended))
        ((count, first),) = self._rows(query)
        return count, datetime.fromisoformat(first) if first else None

    def unfinished_runs(self) -> dict[str, tuple[str, ...]]:
        """The runs that were started and not finished, each with its requests."""
        query = (
            select(tables.runs)
            .where(tables.runs.c.finished_at.is_(None))
            .order_by(tables.runs.c.ref)
        )
        return {row.ref: tuple(json.loads(row.requests)) for row in self._rows(query)}

    def run_requests(self, run: str) -> tuple[str, ...] | None:
        """The requests of one run, sorted; None for a run that was never started."""
        rows = self._rows(select(tables.runs.c.requests).where(tables.runs.c.ref == run))
        return tuple(json.loads(rows[0].requests)) if rows else None

    def snapshot(self) -> Snapshot:
        """Every row of the request and run tables: table -> reference -> column -> value."""
        return {
            table.name: {row.ref: dict(row._mapping) for row in self._rows(select(table))}
            for table in (tables.requests, tables.runs)
        }

    def _rows(self, query: Any) -> Sequence[Row[Any]]:
        with self._guarded(), self._engine.connect() as connection:
            return connection.execute(query).all()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            with guarded(self.name, lambda reason: broken(self.name, reason, self._remedy)):
                yield
        except ValueError as error:
            raise broken(self.name, error, self._remedy) from error


def differences(got: Snapshot, expected: Snapshot) -> list[str]:
    """Where two snapshots disagree, one line per row, without the values."""
    return [
        f"{table} row {ref}: differs from what the log says"
        for table in sorted(got | expected)
        for ref in sorted(got.get(table, {}) | expected.get(table, {}))
        if got.get(table, {}).get(ref) != expected.get(table, {}).get(ref)
    ]


def _memory(copy_of: Path | None) -> sqlite3.Connection:
    memory = sqlite3.connect(":memory:", check_same_thread=False)
    if copy_of is None or not copy_of.exists():
        return memory
    try:
        uri = f"{copy_of.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as source:
            source.backup(memory)
    except sqlite3.OperationalError:
        # SQLite cannot open the file without writing (a crash left a journal, the disk is
        # read-only): begin empty, the replay from the log gives the same rows.
        return _memory(None)
    except sqlite3.DatabaseError as error:
        raise broken(copy_of.name, error) from error
    return memory


def broken(name: str, reason: object, remedy: str = _REMEDY) -> ProjectionBroken:
    """What is raised for tables that are not those of a ledger."""
    return ProjectionBroken(
        f"{name}: does not hold the tables of a ledger ({reason}): run `lethe verify --log`, "
        f"then {remedy}"
    )


def _request(row: Row[Any]) -> DeletionRequest:
    return DeletionRequest(
        ref=row.ref,
        state=State(row.state),
        received_at=datetime.fromisoformat(row.received_at),
        due_at=datetime.fromisoformat(row.due_at).astimezone(profile_of(row.jurisdiction).zone),
        jurisdiction=row.jurisdiction,
        examples=row.examples,
        reason=row.reason,
        key_digest=row.key_digest,
        run=row.run,
    )
