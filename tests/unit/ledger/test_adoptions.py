"""The log knows which policy is in force, and each that was is kept by its digest."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ledger import adoptions
from ledger.chain import read_chain, verify_chain
from ledger.errors import SealAltered
from ledger.keys import create_keys, load_public_keys
from ledger.requests import Ledger
from unlearning.errors import Unrecordable

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
FIRST, SECOND = b"attempts: 2\n", b"attempts: 3\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    create_keys(tmp_path / "keys", tmp_path / "records")
    return tmp_path


def opened(root: Path) -> Ledger:
    return Ledger.open(root / "records", root / "keys")


def adopt(root: Path, content: bytes, *, reason: str = "a test", minutes: int = 0) -> bool:
    at = NOW + timedelta(minutes=minutes)
    folder = root / "records" / "policies"
    return adoptions.adopt(opened(root), folder, content, reason=reason, now=at) is not None


def held(root: Path) -> str | None:
    found = adoptions.in_force(opened(root).log.entries())
    return found.sha256 if found else None


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_log_without_an_adoption_has_no_policy_in_force(root: Path) -> None:
    assert held(root) is None


def test_each_change_is_one_signed_entry_and_the_last_one_holds(root: Path) -> None:
    assert adopt(root, FIRST, reason="the first")
    assert adopt(root, SECOND, reason="too strict", minutes=1)
    first, second = adoptions.adoptions(opened(root).log.entries())
    assert (first.sha256, first.reason, first.seq) == (sha256(FIRST), "the first", 1)
    assert (second.sha256, second.reason, second.seq) == (sha256(SECOND), "too strict", 2)
    assert second.at == "2026-06-10T12:01:00+00:00"
    assert held(root) == sha256(SECOND)
    ledger = opened(root)
    ring = load_public_keys(root / "records" / "public.pem")
    content = b"".join(entry.line() for entry in ledger.log.entries())
    assert verify_chain(read_chain(content, ring), ledger.log.name).ok
    assert opened(root).check().ok  # I3: the tables hold nothing that the log does not say


def test_adopting_what_is_in_force_logs_nothing(root: Path) -> None:
    adopt(root, FIRST)
    before = opened(root).log.head
    assert not adopt(root, FIRST, reason="another reason", minutes=5)
    assert opened(root).log.head == before


def test_an_older_policy_can_come_back(root: Path) -> None:
    assert [adopt(root, content) for content in (FIRST, SECOND, FIRST)] == [True] * 3
    entries = opened(root).log.entries()
    assert [made.seq for made in adoptions.adoptions(entries)] == [1, 2, 3]
    assert held(root) == sha256(FIRST)


def test_what_held_at_an_entry_is_what_was_adopted_before_it(root: Path) -> None:
    adopt(root, FIRST)
    opened(root).record("counted", {}, key="count/1", now=NOW)
    adopt(root, SECOND)
    entries = opened(root).log.entries()
    found = [adoptions.in_force(entries, before=seq) for seq in (1, 2, 3, 4)]
    assert [at and at.sha256 for at in found] == [None, *[sha256(FIRST)] * 2, sha256(SECOND)]


def test_every_policy_that_was_in_force_is_kept_and_a_changed_copy_is_noticed(root: Path) -> None:
    adopt(root, FIRST)
    adopt(root, SECOND)
    folder = root / "records" / "policies"
    for content in (FIRST, SECOND):
        assert adoptions.kept(folder, sha256(content)).read_bytes() == content
    adoptions.kept_at(folder, sha256(FIRST)).write_bytes(SECOND)
    with pytest.raises(SealAltered, match=f"got {sha256(SECOND)[:16]}, expected") as caught:
        adoptions.kept(folder, sha256(FIRST))
    assert caught.value.exit_code == 30
    adoptions.kept_at(folder, sha256(FIRST)).unlink()
    with pytest.raises(SealAltered, match="got no file"):
        adoptions.kept(folder, sha256(FIRST))


def test_adopting_again_brings_a_lost_copy_back(root: Path) -> None:
    adopt(root, FIRST)
    path = adoptions.kept_at(root / "records" / "policies", sha256(FIRST))
    path.unlink()
    assert not adopt(root, FIRST)
    assert path.read_bytes() == FIRST


def test_a_reason_that_names_a_person_is_no_change(root: Path) -> None:
    adopt(root, FIRST)
    with pytest.raises(Unrecordable):
        adopt(root, SECOND, reason="jane.doe@example.org wants it")
    assert held(root) == sha256(FIRST)
