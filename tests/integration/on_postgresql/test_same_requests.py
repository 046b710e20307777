"""What holds for requests with a log in a file holds with one in a database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.on_postgresql.elsewhere import logs_in_database, same
from tests.unit.ledger import test_requests

# Files that are cut, swapped or broken: test_ledger.py has what stands for them in a database.
OF_FILES = {
    "test_a_crash_between_log_and_table_is_made_good",
    "test_a_failing_table_does_not_lose_the_entry",
    "test_a_truncated_log_raises_the_alarm",
    "test_a_log_written_anew_raises_the_alarm",
    "test_an_edited_or_broken_table_is_found",
    "test_a_table_on_a_disk_that_refuses_is_one_line",
}
root, ledger = test_requests.root, test_requests.ledger
globals().update(same(test_requests, of_files=OF_FILES))


@pytest.fixture(scope="module", autouse=True)
def elsewhere(shared: str) -> Iterator[None]:
    with logs_in_database(shared):
        yield
