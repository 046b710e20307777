"""Who may send is told by the log in the same way, in a database as in a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.on_postgresql.elsewhere import logs_in_database, same
from tests.unit.ledger import conftest, test_sources

keys, records, ledger = conftest.keys, conftest.records, test_sources.ledger
OF_FILES = {"test_the_log_tells_of_it_and_never_the_secret"}
globals().update(same(test_sources, of_files=OF_FILES))


@pytest.fixture(scope="module", autouse=True)
def elsewhere(shared: str) -> Iterator[None]:
    with logs_in_database(shared):
        yield
