"""The log, and the tables of requests and runs that follow from it, in a schema of their own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

SCHEMA = "lethe_ledger"


def _text() -> sa.String:
    """Text that is ordered by its bytes, as in SQLite, whatever the database's language."""
    return sa.String(collation="C")


def upgrade() -> None:
    """Make five tables, and their schema unless it is there, for a role that may make none."""
    if not sa.inspect(op.get_bind()).has_schema(SCHEMA):
        op.execute(f"CREATE SCHEMA {SCHEMA}")
    _make_log()
    op.create_table(
        "requests",
        sa.Column("ref", _text(), primary_key=True),
        sa.Column("state", _text(), nullable=False),
        sa.Column("received_at", _text(), nullable=False),
        sa.Column("due_at", _text(), nullable=False),
        sa.Column("jurisdiction", _text(), nullable=False),
        sa.Column("examples", sa.Integer, nullable=False),
        sa.Column("reason", _text()),
        sa.Column("key_digest", _text(), unique=True),
        sa.Column("run", _text()),
        schema=SCHEMA,
    )
    op.create_table(
        "runs",
        sa.Column("ref", _text(), primary_key=True),
        sa.Column("requests", _text(), nullable=False),
        sa.Column("started_at", _text(), nullable=False),
        sa.Column("finished_at", _text()),
        schema=SCHEMA,
    )
    for table, column in (("requests", "state"), ("requests", "due_at"), ("runs", "finished_at")):
        op.create_index(f"ix_{SCHEMA}_{table}_{column}", table, [column], schema=SCHEMA)
    op.create_table(
        "meta",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("last_seq", sa.Integer, nullable=False),
        sa.Column("last_hash", _text(), nullable=False),
        schema=SCHEMA,
    )


def _make_log() -> None:
    op.create_table(
        "log",
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("position", sa.BigInteger, nullable=False, unique=True),
        sa.Column("line", sa.LargeBinary, nullable=False),
        schema=SCHEMA,
    )
    op.create_table(
        "identity",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("ledger", sa.String, nullable=False),
        schema=SCHEMA,
    )
