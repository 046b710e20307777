"""Whoever lost the workspace's lock, and was held up, writes over nothing when he goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ledger import durable, lock, sealed
from ledger.domain import Selector
from ledger.errors import WorkspaceBusy
from ledger.lines.file import InFile
from ledger.lock import workspace_lock
from ledger.requests import Ledger
from ledger.selectors import SelectorStore
from tests.unit.submitted import accepted, workspace

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    ws = workspace(tmp_path)
    return ws.records, ws.keys


def test_a_line_is_not_written_over_what_came_after_the_last_look(
    places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held up between the look at the file and the write, which is the last moment there is."""
    late, other = Ledger.open(*places), Ledger.open(*places)
    real = InFile.require_held

    def held_up(lines: InFile) -> None:
        real(lines)
        monkeypatch.undo()
        other.record("noted", {}, key="by another", now=NOW)

    monkeypatch.setattr(InFile, "require_held", held_up)
    monkeypatch.setattr(InFile, "size", lambda lines: late.log._size)
    with pytest.raises(WorkspaceBusy, match="another process writes"):
        late.log.append("noted", {}, key="too late", now=NOW)
    assert [entry.key for entry in Ledger.open(*places).log.entries()] == ["by another"]


def test_a_line_that_another_is_writing_is_waited_for_by_nobody(places: tuple[Path, Path]) -> None:
    ledger = Ledger.open(*places)
    ledger.record("noted", {}, key="one", now=NOW)
    path = places[0] / "log.jsonl"
    with (
        durable.only_writer(path),
        pytest.raises(WorkspaceBusy, match="another process writes"),
    ):
        ledger.record("noted", {}, key="two", now=NOW)
    ledger.record("noted", {}, key="two", now=NOW)


def test_what_a_crash_left_of_a_line_is_still_cut_off(places: tuple[Path, Path]) -> None:
    Ledger.open(*places).record("noted", {}, key="one", now=NOW)
    with (places[0] / "log.jsonl").open("ab") as file:
        file.write(b'{"half of')
    ledger = Ledger.open(*places)
    ledger.record("noted", {}, key="two", now=NOW)
    assert [entry.key for entry in Ledger.open(*places).log.entries()] == ["one", "two"]


def test_tables_that_went_on_are_not_taken_back(places: tuple[Path, Path]) -> None:
    late = Ledger.open(*places)
    request = accepted(late, NOW)
    held_up = late.log.entries()
    run = late.start_run([request.ref], now=NOW)
    late.finish_run(run, now=NOW)
    late._book.store.tables.apply(held_up)  # again, as by one who read before and comes after
    assert late._book.store.tables.position()[0] == len(late.log.entries())
    assert late.unfinished_runs() == {}
    assert Ledger.open(*places).check().ok


# Robbed of the lock, and held up


@contextmanager
def robbing(records: Path) -> Iterator[None]:
    """Take the lock from whoever holds it here, who does not notice, as another process would."""
    kept = dict(lock._held)
    (records / "lock").unlink()
    try:
        with workspace_lock(records / "lock"):
            yield
    finally:
        lock._held.update(kept)


def test_nothing_comes_from_whoever_lost_the_lock_once_another_has_opened_the_ledger(
    places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """He had looked whether he holds it, and was held up before he wrote: the last moment."""
    real, opened = InFile.require_held, list[Ledger]()

    def held_up(lines: InFile) -> None:
        real(lines)
        monkeypatch.undo()
        with robbing(places[0]):
            opened.append(Ledger.open(*places))

    with workspace_lock(places[0] / "lock"):
        late = Ledger.open(*places)
        monkeypatch.setattr(InFile, "require_held", held_up)
        with pytest.raises(WorkspaceBusy):
            late.record("noted", {}, key="too late", now=NOW)
    opened[0].record("noted", {}, key="by another", now=NOW)
    assert [entry.key for entry in Ledger.open(*places).log.entries()] == ["by another"]


def test_nobody_reads_on_from_a_line_that_is_being_written(places: tuple[Path, Path]) -> None:
    """It may still be taken back, as where the disk refuses it; the tables would have seen it."""
    Ledger.open(*places).record("noted", {}, key="one", now=NOW)
    with (
        durable.only_writer(places[0] / "log.jsonl"),
        pytest.raises(WorkspaceBusy, match="another process writes"),
    ):
        Ledger.open(*places)
    assert Ledger.open(*places, read_only=True).log.count == 1


HELD_UP = ("seal", "write_secret", "encrypt")
"""Where whoever records a request is held up: before he seals, draws its key, writes the file."""


@pytest.mark.parametrize("place", HELD_UP)
def test_a_request_that_is_sealed_too_late_is_no_sign_of_a_log_that_was_cut(
    places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Another opens the ledger meanwhile, and sweeps what a crash would have left."""
    real, found = getattr(sealed, place), list[str]()

    def held_up(*arguments: Any) -> Any:
        monkeypatch.undo()
        with robbing(places[0]), suppress(WorkspaceBusy):
            found.append(submitted(Ledger.open(*places), "person-2").ref)
        return real(*arguments)

    with workspace_lock(places[0] / "lock"), suppress(WorkspaceBusy):
        late = Ledger.open(*places)
        monkeypatch.setattr(sealed, place, held_up)
        found.append(submitted(late, "person-1").ref)
    again = Ledger.open(*places)
    recorded = {request.ref for request in again.requests(None, NOW)}
    assert recorded == set(found)
    assert all(again.selector(ref).kind == "subject" for ref in recorded)
    assert {path.stem for path in (places[1] / "requests").glob("*.key")} == recorded
    assert again.check().ok


def test_whoever_lost_the_lock_seals_nothing(places: tuple[Path, Path]) -> None:
    with workspace_lock(places[0] / "lock"):
        late = Ledger.open(*places)
        with robbing(places[0]):
            other = Ledger.open(*places)
        with pytest.raises(WorkspaceBusy):
            submitted(late, "person-1")
    assert [*(places[1] / "requests").iterdir()] == [] and other.requests(None, NOW) == []
    submitted(other, "person-2")
    assert len(Ledger.open(*places).requests(None, NOW)) == 1


# What all others ask for is opened once


def submitted(ledger: Ledger, who: str, **more: Any) -> Any:
    given = {"received_at": NOW, "jurisdiction": "gdpr", "idempotency_key": None, "examples": 1}
    return ledger.submit(Selector("subject", (who,)), now=NOW, **{**given, **more})


def test_a_request_costs_the_same_however_many_wait(
    places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    real = SelectorStore.get

    def counted(store: SelectorStore, ref: str, commitment: str) -> Selector:
        opened.append(ref)
        return real(store, ref, commitment)

    monkeypatch.setattr(SelectorStore, "get", counted)
    first = Ledger.open(*places)
    for number in range(10):
        submitted(first, f"person-{number}")
    assert len(opened) <= 10
    opened.clear()
    second = Ledger.open(*places)
    for number in range(10, 20):
        submitted(second, f"person-{number}")
    assert len(opened) == 10, "each that waits once, when the first comes"


def test_the_same_is_found_also_by_a_process_that_began_with_another_kind(
    places: tuple[Path, Path],
) -> None:
    first = submitted(Ledger.open(*places), "person-1")
    ledger = Ledger.open(*places)
    submitted(ledger, "person-2", hold="a lawsuit")
    again = submitted(ledger, "person-1")
    assert first.ref in str(again.reason)
    for _ in range(8):
        another = submitted(ledger, "person-1")
        assert first.ref in str(another.reason), "of one moment's, the first that was logged"
