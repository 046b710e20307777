"""The log's own tables in a database; those of the requests beside them are `ledger.tables`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, String, Table

SCHEMA = "lethe_ledger"
"""Holds the ledger's tables: no other system's, and not the schema of a role called lethe."""

metadata = MetaData(schema=SCHEMA)
log = Table(
    "log",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False, unique=True),  # bytes of the log before it
    Column("line", LargeBinary, nullable=False),  # as in the file, line end included
)
identity = Table(
    "identity",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # 1: there is one
    Column("ledger", String, nullable=False),  # the random name of the workspace's ledger
)
