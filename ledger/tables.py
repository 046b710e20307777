"""The tables of the projection, and what each event of the log changes in them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, insert, select, update

from ledger.chain import Entry

metadata = MetaData()
requests = Table(
    "requests",
    metadata,
    Column("ref", String, primary_key=True),
    Column("state", String, nullable=False, index=True),
    Column("received_at", String, nullable=False),
    Column("due_at", String, nullable=False, index=True),
    Column("jurisdiction", String, nullable=False),
    Column("examples", Integer, nullable=False),
    Column("reason", String),
    Column("key_digest", String, unique=True),
    Column("run", String),
)
runs = Table(
    "runs",
    metadata,
    Column("ref", String, primary_key=True),
    Column("requests", String, nullable=False),
    Column("started_at", String, nullable=False),
    Column("finished_at", String, index=True),
)
meta = Table(
    "meta",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("last_seq", Integer, nullable=False),
    Column("last_hash", String, nullable=False),
)


def position(connection: Connection) -> int:
    """The last entry that is in the tables; from here on nobody else can add one."""
    connection.execute(update(meta).values(last_seq=meta.c.last_seq))  # takes the right to write
    return connection.execute(select(meta.c.last_seq)).scalar() or 0


def apply(connection: Connection, entry: Entry) -> None:
    """Carry one entry into the tables, and note that it was."""
    change = _CHANGES.get(entry.event)
    if change:
        change(connection, entry.body, entry.at)
    position = {"last_seq": entry.seq, "last_hash": entry.hash}
    if not connection.execute(update(meta).values(position)).rowcount:
        connection.execute(insert(meta).values(id=1, **position))


def _submitted(connection: Connection, body: Mapping[str, Any], at: str) -> None:
    columns = {name: body.get(name) for name in _SUBMITTED}
    connection.execute(insert(requests).values(ref=body["request"], **columns))
    if "rest" in body:
        _change(connection, str(body.get("part_of")), examples=body["rest"]["examples"])
    _go_with(connection, body)


def _confirmed(connection: Connection, body: Mapping[str, Any], at: str) -> None:
    values = {name: body[name] for name in ("state", "reason", "due_at") if name in body}
    if values:
        _change(connection, body["request"], **values)
    _go_with(connection, body)


def _go_with(connection: Connection, body: Mapping[str, Any]) -> None:
    """Say of others why they go with this request now."""
    for ref, reason in body.get("same", {}).items():
        _change(connection, ref, reason=reason)


def _moved(connection: Connection, body: Mapping[str, Any], at: str) -> None:
    _change(connection, body["request"], state=body["state"], reason=body["reason"])


def _linked(connection: Connection, body: Mapping[str, Any], at: str) -> None:
    values = {name: body[name] for name in ("state", "reason", "run")}
    _change(connection, body["request"], **values)


def _extended(connection: Connection, body: Mapping[str, Any], at: str) -> None:
    _change(connection, body["request"], due_at=body["due_at"])


def _run_started(connection: Connection, body: Mapping[str, Any], at: str) -> None:
    values = {"ref": body["run"], "requests": json.dumps(body["requests"]), "started_at": at}
    connection.execute(insert(runs).values(values))
    for ref in body["requests"]:
        _change(connection, ref, run=body["run"])


def _run_finished(connection: Connection, body: Mapping[str, Any], at: str) -> None:
    connection.execute(update(runs).where(runs.c.ref == body["run"]).values(finished_at=at))


def _change(connection: Connection, ref: str, **values: Any) -> None:
    connection.execute(update(requests).where(requests.c.ref == ref).values(values))


_SUBMITTED = (
    *("state", "received_at", "due_at", "jurisdiction", "examples", "reason", "key_digest"),
    "run",
)
# Every other event, such as a finished step, changes no table.
_CHANGES: dict[str, Callable[[Connection, Mapping[str, Any], str], None]] = {
    "submitted": _submitted,
    "moved": _moved,
    "denied": _moved,
    "held": _moved,
    "resumed": _moved,
    "linked": _linked,
    "identity_confirmed": _confirmed,
    "extended": _extended,
    "run_started": _run_started,
    "run_finished": _run_finished,
}
