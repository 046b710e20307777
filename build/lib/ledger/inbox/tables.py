"""The inbox's tables: the same on SQLite and on PostgreSQL."""

from __future__ import annotations

from sqlalchemy import Column, Integer, LargeBinary, MetaData, String, Table, UniqueConstraint

metadata = MetaData()
received = Table(
    "inbox",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),  # the order of arrival
    Column("ref", String, nullable=False, unique=True),
    Column("received_at", String, nullable=False),
    Column("due_at", String, nullable=False),
    Column("jurisdiction", String, nullable=False),
    Column("source", String, nullable=False),
    Column("key_digest", String),
    Column("content_digest", String),
    Column("payload", LargeBinary),  # none once it is settled
    Column("as_ref", String),  # the earlier request that it turned out to be
    UniqueConstraint("source", "key_digest"),
)
nonces = Table(
    "inbox_nonces",
    metadata,
    Column("digest", String, primary_key=True),
    Column("seen_at", String, nullable=False, index=True),
)
