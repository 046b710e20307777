"""The tables of a database: made from nothing or from any earlier revision, never downwards."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, text

from ledger import tables as following
from ledger.databases import tables as own
from ledger.databases.migrating import NEWEST, SCRIPTS, VERSIONS, bring_up, revision
from ledger.databases.postgresql import engine_at
from ledger.domain import Selector
from ledger.inbox import Inbox, Incoming
from ledger.inbox import tables as waiting
from ledger.keys import create_keys
from tests.integration import postgresql
from unlearning.errors import InfrastructureError

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
ASKED = Incoming(Selector("subject", ("a person",)), NOW, "gdpr", "shop", "key")


@pytest.fixture
def empty(server: str) -> Iterator[str]:
    url = postgresql.database(server)
    yield url
    engine_at(url).dispose()


def as_declared() -> MetaData:
    """What the code believes the tables to be, each in its schema."""
    found = MetaData()
    for table in waiting.metadata.sorted_tables:
        table.to_metadata(found)
    for table in (*following.metadata.sorted_tables, *own.metadata.sorted_tables):
        table.to_metadata(found, schema=own.SCHEMA)
    return found


def differences(url: str) -> list[object]:
    """Between the tables that are there and those that the code believes in."""
    with engine_at(url).connect() as connection:
        options = {"version_table": VERSIONS, "include_schemas": True}
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, as_declared()))


def now_at(url: str) -> str | None:
    with engine_at(url).connect() as connection:
        return revision(connection)


def test_the_newest_revision_is_the_one_that_is_written() -> None:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    assert ScriptDirectory.from_config(config).get_current_head() == NEWEST


def test_an_empty_database_gets_the_tables_that_the_code_declares(empty: str) -> None:
    assert now_at(empty) is None
    bring_up(engine_at(empty))
    assert (now_at(empty), differences(empty)) == (NEWEST, [])


def test_an_inbox_of_before_there_were_revisions_keeps_what_waits(
    empty: str, tmp_path: Path
) -> None:
    waiting.metadata.create_all(engine_at(empty))
    check_goes_on(empty, tmp_path)


def test_revision_1_is_brought_up_and_keeps_what_waits(empty: str, tmp_path: Path) -> None:
    bring_up(engine_at(empty))
    with engine_at(empty).begin() as connection:
        connection.execute(text("DROP SCHEMA lethe_ledger CASCADE"))
        connection.execute(text(f"UPDATE {VERSIONS} SET version_num = '0001'"))
    check_goes_on(empty, tmp_path)


def check_goes_on(url: str, folder: Path) -> None:
    """A request that waits there from before is there after."""
    create_keys(folder / "keys", folder / "records")
    with engine_at(url).begin() as connection:
        connection.execute(
            waiting.received.insert().values(
                ref="req-before",
                received_at="2026-03-01T12:00:00+00:00",
                due_at="2026-04-01T12:00:00+00:00",
                jurisdiction="gdpr",
                source="shop",
                payload=b"sealed",
            )
        )
    inbox = Inbox.open(folder / "inbox", folder / "keys", url)
    assert (now_at(url), differences(url)) == (NEWEST, [])
    assert [found.ref for found in inbox.waiting()] == ["req-before"]
    inbox.close()


def test_a_newer_revision_is_refused_in_one_line(empty: str, tmp_path: Path) -> None:
    bring_up(engine_at(empty))
    with engine_at(empty).begin() as connection:
        connection.execute(text(f"UPDATE {VERSIONS} SET version_num = '0999'"))
    create_keys(tmp_path / "keys", tmp_path / "records")
    with pytest.raises(InfrastructureError, match="of revision 0999") as caught:
        Inbox.open(tmp_path / "inbox", tmp_path / "keys", empty)
    assert caught.value.exit_code == 20 and "\n" not in str(caught.value)
    assert now_at(empty) == "0999"


def test_many_who_open_it_first_make_it_once(empty: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(bring_up, [engine_at(empty)] * 4))
    assert (now_at(empty), differences(empty)) == (NEWEST, [])


def test_a_role_that_may_not_make_tables_is_told(empty: str, tmp_path: Path) -> None:
    with engine_at(empty).begin() as connection:
        connection.execute(text("DROP ROLE IF EXISTS guest"))
        connection.execute(text("CREATE ROLE guest LOGIN"))
    create_keys(tmp_path / "keys", tmp_path / "records")
    url = empty.replace("lethe@", "guest@")
    with pytest.raises(InfrastructureError, match="permission denied") as caught:
        Inbox.open(tmp_path / "inbox", tmp_path / "keys", url)
    assert "\n" not in str(caught.value)
    engine_at(url).dispose()


def test_an_opening_that_changes_nothing_does_without_alembic(url: str) -> None:
    script = (
        "import sys\n"
        "from ledger.databases.lines import InDatabase\n"
        "InDatabase.require_free(sys.argv[1])\n"
        "print('alembic' in sys.modules)"
    )
    words = [sys.executable, "-c", script, url]
    folder = Path(__file__).parents[3]
    ran = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False"]
