"""The tables of a database brought up to this version, by Alembic, in one transaction."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Column, Connection, Engine, MetaData, String, Table, inspect, select

from ledger.databases.postgresql import begin
from unlearning.errors import InfrastructureError

SCRIPTS = Path(__file__).parent / "migrations"
NEWEST = "0002"
"""The revision that this version writes."""

VERSIONS = "lethe_revision"
"""Table that says which revision a database is of; not Alembic's own name, which others use."""

_LOCK = 0x4C65_7468_6503  # any number that is ours: "Lethe", 3
_versions = Table(VERSIONS, MetaData(), Column("version_num", String))


def bring_up(engine: Engine) -> None:
    """Make what is missing, under a lock; nothing is written where nothing is.

    InfrastructureError for a database that a newer version has written.
    """
    with engine.connect() as connection:
        if revision(connection) == NEWEST:
            return
    with engine.begin() as connection:
        begin(connection, _LOCK)
        _upgrade(connection)


def revision(connection: Connection) -> str | None:
    """Which revision a database is of; None before the first one."""
    if not inspect(connection).has_table(VERSIONS):
        return None
    return connection.execute(select(_versions.c.version_num)).scalar()


def _upgrade(connection: Connection) -> None:
    from alembic import command  # two tenths of a second that only a change costs
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    found = revision(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise InfrastructureError(
            f"database: is of revision {found}, expected {NEWEST} or older: a newer Lethe has "
            "written to it; install that one"
        )
    command.upgrade(config, NEWEST)
