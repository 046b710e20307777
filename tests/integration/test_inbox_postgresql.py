"""The inbox on PostgreSQL keeps what the one in a file keeps: once per key, durable, gone after."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledger.domain import Selector
from ledger.errors import KeyConflict, Replayed
from ledger.inbox import Inbox, Incoming
from ledger.keys import create_keys
from tests.integration import postgresql

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
ASKED = Incoming(Selector("subject", ("a person",)), NOW, "gdpr", "shop", "key")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgresql.server() as url:
        yield url


@pytest.fixture
def two(server: str, tmp_path: Path) -> Iterator[tuple[Inbox, Inbox]]:
    """Two processes' views of one inbox."""
    create_keys(tmp_path / "keys", tmp_path / "records")
    url = postgresql.database(server)
    found = [Inbox.open(tmp_path / "inbox", tmp_path / "keys", url) for _ in range(2)]
    yield found[0], found[1]
    for inbox in found:
        inbox.close()


def test_receive_repeat_settle(two: tuple[Inbox, Inbox]) -> None:
    one, other = two
    receipt = one.receive(ASKED, now=NOW, nonce="n")
    assert other.opened(receipt.ref) == ASKED
    assert [waiting.due_at for waiting in other.waiting()] == [receipt.due_at]
    assert other.receive(ASKED, now=NOW).ref == receipt.ref
    with pytest.raises(KeyConflict):
        other.receive(replace(ASKED, jurisdiction="ccpa"), now=NOW)
    with pytest.raises(Replayed):
        other.receive(ASKED, now=NOW, nonce="n")
    other.settled(receipt.ref, "req-earlier")
    assert one.waiting() == ()
    assert one.receive(ASKED, now=NOW).ref == "req-earlier"


def test_two_processes_receive_each_request_once(two: tuple[Inbox, Inbox]) -> None:
    asked = [replace(ASKED, key=str(n)) for n in range(50)] * 4
    with ThreadPoolExecutor(8) as pool:
        work = enumerate(asked)
        refs = list(pool.map(lambda item: two[item[0] % 2].receive(item[1], now=NOW).ref, work))
    assert len(set(refs)) == 50
    assert {waiting.ref for waiting in two[0].waiting()} == set(refs)
