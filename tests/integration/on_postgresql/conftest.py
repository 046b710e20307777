"""One server for these tests; a new database, its tables made, for each that asks for one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger import lines
from ledger.databases.migrating import bring_up
from ledger.databases.postgresql import engine_at
from ledger.keys import create_keys
from tests.integration import postgresql
from tests.integration.on_postgresql.elsewhere import emptied


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    with postgresql.server() as url:
        yield url


@pytest.fixture(scope="session")
def shared(server: str) -> Iterator[str]:
    """One database with its tables, since to make one takes half a second."""
    url = postgresql.database(server)
    bring_up(engine_at(url))
    yield url
    engine_at(url).dispose()


@pytest.fixture
def url(shared: str) -> str:
    """A database whose tables hold nothing."""
    emptied(shared)
    return shared


@pytest.fixture
def other_url(server: str) -> Iterator[str]:
    """A second, new database."""
    url = postgresql.database(server)
    yield url
    engine_at(url).dispose()


@pytest.fixture
def root(tmp_path: Path, url: str) -> Path:
    """A folder whose log lies in the database."""
    create_keys(tmp_path / "keys", tmp_path / "records")
    lines.begin(tmp_path / "records", url)
    return tmp_path
