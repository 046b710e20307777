"""Who may send: the log tells it, and the key decides."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledger import durable, sources
from ledger.keys import check_keys
from ledger.requests import Ledger
from ledger.sources import SourceKeys
from unlearning.errors import InfrastructureError, UsageError

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def ledger(keys: Path, records: Path) -> Ledger:
    return Ledger.open(records, keys)


def added(ledger: Ledger, keys: Path, name: str = "crm") -> str:
    return sources.add(ledger, keys, name, now=NOW)


def states(ledger: Ledger, keys: Path) -> dict[str, str]:
    return {s.name: s.state for s in sources.sources(ledger.log.entries(), keys)}


def test_a_source_has_a_secret_of_256_bits_that_its_owner_alone_may_read(
    ledger: Ledger, keys: Path
) -> None:
    secret = added(ledger, keys)
    path = SourceKeys(keys).path("crm")
    assert len(bytes.fromhex(secret)) == 32
    assert SourceKeys(keys).of("crm") == secret.encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_the_log_tells_of_it_and_never_the_secret(
    ledger: Ledger, keys: Path, records: Path
) -> None:
    secret = added(ledger, keys)
    sources.remove(ledger, keys, "crm", now=NOW)
    assert [e.event for e in ledger.log.entries()] == ["source_added", "source_removed"]
    assert secret not in (records / "log.jsonl").read_text()


def test_a_removed_source_has_no_key_and_may_come_back_with_another(
    ledger: Ledger, keys: Path
) -> None:
    first = added(ledger, keys)
    assert sources.remove(ledger, keys, "crm", now=NOW).state == "removed"
    assert SourceKeys(keys).of("crm") is None
    assert added(ledger, keys) != first
    assert states(ledger, keys) == {"crm": "ready"}


def test_removing_twice_is_one_entry(ledger: Ledger, keys: Path) -> None:
    added(ledger, keys)
    for _ in range(2):
        sources.remove(ledger, keys, "crm", now=NOW)
    assert len(ledger.log.entries()) == 2


def test_a_source_that_was_shut_out_while_the_log_was_busy_is_told_of_later(
    ledger: Ledger, keys: Path
) -> None:
    added(ledger, keys)
    assert sources.shut(keys, "crm")
    assert states(ledger, keys) == {"crm": "no key"}
    assert sources.remove(ledger, keys, "crm", now=NOW).state == "removed"


def test_a_key_that_cannot_be_written_leaves_a_source_that_sends_nothing(
    ledger: Ledger, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes, *, mode: int = 0o600) -> None:
        raise InfrastructureError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(durable, "write", full)
        with pytest.raises(InfrastructureError):
            sources.add(ledger, keys, "crm", now=NOW)
    assert SourceKeys(keys).of("crm") is None
    added(ledger, keys)
    assert states(ledger, keys) == {"crm": "ready"}


def test_a_key_that_was_put_in_the_place_of_another_is_named(ledger: Ledger, keys: Path) -> None:
    added(ledger, keys)
    SourceKeys(keys).path("crm").write_text("ffff" * 16)
    assert states(ledger, keys) == {"crm": "another key than the log tells of"}


def test_a_second_key_under_one_name_is_refused(ledger: Ledger, keys: Path) -> None:
    secret = added(ledger, keys)
    with pytest.raises(UsageError, match="has a key already"):
        added(ledger, keys)
    assert SourceKeys(keys).of("crm") == secret.encode()


def test_the_secret_of_the_other_party_is_taken_as_it_is(ledger: Ledger, keys: Path) -> None:
    sources.add(ledger, keys, "fides", now=NOW, secret="drawn by the other party\n")
    assert SourceKeys(keys).of("fides") == b"drawn by the other party"


@pytest.mark.parametrize(
    "secret", ["", "short", "x" * 513, "two\nlines of a secret", "gehe\xefmnis" * 4]
)
def test_a_secret_that_is_none_is_refused_unshown(ledger: Ledger, keys: Path, secret: str) -> None:
    with pytest.raises(UsageError) as refused:
        sources.add(ledger, keys, "fides", now=NOW, secret=secret)
    assert not secret or secret not in str(refused.value)
    assert ledger.log.entries() == ()


@pytest.mark.parametrize(
    "name", ["", "cli", "../signing", "a/b", "Crm", "jane@example.com", "x" * 41]
)
def test_a_name_that_is_no_reference_is_refused_and_has_no_key(
    ledger: Ledger, keys: Path, name: str
) -> None:
    for refuse in (added, lambda *_: sources.shut(keys, name)):
        with pytest.raises(UsageError, match="got a name that none may have"):
            refuse(ledger, keys, name)
    assert SourceKeys(keys).of(name) is None


def test_removing_what_was_never_added_is_refused(ledger: Ledger, keys: Path) -> None:
    with pytest.raises(UsageError, match="never added"):
        sources.remove(ledger, keys, "crm", now=NOW)


def test_a_secret_that_others_may_read_is_named_by_the_doctor(ledger: Ledger, keys: Path) -> None:
    added(ledger, keys)
    assert check_keys(keys) == []
    SourceKeys(keys).path("crm").chmod(0o644)
    assert [line.split(":")[0] for line in check_keys(keys)] == ["sources/crm.key"]
