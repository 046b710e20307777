"""The inbox, also where it was made before there were revisions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the inbox's two tables, unless they are there."""
    op.create_table(
        "inbox",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("ref", sa.String, nullable=False, unique=True),
        sa.Column("received_at", sa.String, nullable=False),
        sa.Column("due_at", sa.String, nullable=False),
        sa.Column("jurisdiction", sa.String, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("key_digest", sa.String),
        sa.Column("content_digest", sa.String),
        sa.Column("payload", sa.LargeBinary),
        sa.Column("as_ref", sa.String),
        sa.UniqueConstraint("source", "key_digest"),
        if_not_exists=True,
    )
    op.create_table(
        "inbox_nonces",
        sa.Column("digest", sa.String, primary_key=True),
        sa.Column("seen_at", sa.String, nullable=False),
        if_not_exists=True,
    )
    op.create_index("ix_inbox_nonces_seen_at", "inbox_nonces", ["seen_at"], if_not_exists=True)
