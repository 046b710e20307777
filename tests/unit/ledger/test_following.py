"""The log is read on from where somebody left off."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledger.errors import LogAltered, LogTruncated
from ledger.keys import PUBLIC, load_public_keys, load_signing_key
from ledger.lines import InFile
from ledger.log import Log
from ledger.replay.following import Place, read_on

NOW = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
def log(keys: Path, records: Path) -> Log:
    return Log.open(InFile(records / "log.jsonl"), load_signing_key(keys))


def grow(log: Log, count: int = 1) -> None:
    for _ in range(count):
        log.append("made", {}, key=f"made/{len(log.entries())}", now=NOW)


def seqs(records: Path, since: Place) -> list[int]:
    gain = read_on(InFile(records / "log.jsonl"), load_public_keys(records / PUBLIC), since)
    return [entry.seq for entry in gain.entries]


def after(records: Path, since: Place = Place()) -> Place:  # noqa: B008  # frozen
    return read_on(InFile(records / "log.jsonl"), load_public_keys(records / PUBLIC), since).place


def test_each_entry_comes_once(log: Log, records: Path) -> None:
    grow(log, 3)
    assert seqs(records, Place()) == [1, 2, 3]
    place = after(records)
    assert seqs(records, place) == []
    grow(log, 2)
    assert seqs(records, place) == [4, 5]
    assert after(records, place) == after(records)


def test_a_line_that_is_being_written_waits(log: Log, records: Path) -> None:
    grow(log, 2)
    path = records / "log.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    assert seqs(records, Place()) == [1]
    place = after(records)
    path.write_bytes(whole)
    assert seqs(records, place) == [2]


def test_a_log_that_was_cut_is_named(log: Log, records: Path) -> None:
    grow(log, 2)
    place, path = after(records), records / "log.jsonl"
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    with pytest.raises(LogTruncated):
        after(records, place)


def test_another_log_of_the_same_length_is_named(log: Log, keys: Path, records: Path) -> None:
    grow(log, 2)
    place, path = after(records), records / "log.jsonl"
    path.unlink()
    other = Log.open(InFile(path), load_signing_key(keys))
    for number in range(3):
        other.append("grew", {}, key=f"made/{number}", now=NOW)
    with pytest.raises(LogAltered):
        after(records, place)
