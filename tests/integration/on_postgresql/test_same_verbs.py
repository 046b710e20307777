"""What a person may say of a request is the same with a log in a database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.on_postgresql.elsewhere import logs_in_database, same
from tests.unit.ledger import conftest, test_verbs

keys, ledger = conftest.keys, test_verbs.ledger
globals().update(same(test_verbs, of_files=set()))


@pytest.fixture(scope="module", autouse=True)
def elsewhere(shared: str) -> Iterator[None]:
    with logs_in_database(shared):
        yield
