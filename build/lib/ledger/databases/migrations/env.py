"""Run by Alembic: the caller's connection, and its transaction, carry the migrations."""

from __future__ import annotations

from alembic import context

from ledger.databases.migrating import VERSIONS

context.configure(connection=context.config.attributes["connection"], version_table=VERSIONS)
with context.begin_transaction():
    context.run_migrations()
