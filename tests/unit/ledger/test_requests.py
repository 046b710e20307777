"""Requests live by their state machine, and the table is never more than the log."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import sealed
from ledger.domain import NEXT, DeletionRequest, Selector, State
from ledger.errors import (
    KeyConflict,
    LogAltered,
    LogTruncated,
    ProjectionBroken,
    SealAltered,
    UnknownReference,
)
from ledger.keys import create_keys
from ledger.projection import Projection
from ledger.requests import Ledger, Verb
from ledger.selectors import SelectorStore
from unlearning.errors import InfrastructureError, LetheError, RequestDenied, UsageError

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
JANE = Selector("subject", ("jane",))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    create_keys(tmp_path / "keys", tmp_path / "records")
    return tmp_path


@pytest.fixture
def ledger(root: Path) -> Ledger:
    return reopened(root)


def reopened(root: Path, *, read_only: bool = False) -> Ledger:
    return Ledger.open(root / "records", root / "keys", read_only=read_only)


def submit(
    ledger: Ledger,
    selector: Selector = JANE,
    *,
    examples: int = 3,
    key: str | None = None,
    received_at: datetime = NOW,
    denial: str | None = None,
) -> DeletionRequest:
    return ledger.submit(
        selector,
        received_at=received_at,
        jurisdiction="gdpr",
        idempotency_key=key,
        examples=examples,
        now=NOW,
        denial=denial,
    )


def clock() -> datetime:
    return NOW


def everything(root: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in root.rglob("*")
        if path.is_file()
    }


def test_a_request_is_accepted_with_its_deadline(ledger: Ledger):
    """10 June 2026 and a month is 10 July, a Friday; its end in Brussels is 21:59:59 in UTC."""
    request = submit(ledger)
    assert request.state is State.ACCEPTED
    assert request.due_at == datetime(2026, 7, 10, 21, 59, 59, tzinfo=UTC)
    assert ledger.request(request.ref) == request
    assert ledger.selector(request.ref) == JANE


def test_a_request_that_matches_nothing_is_recorded_as_denied(ledger: Ledger):
    assert submit(ledger, examples=0).state is State.DENIED
    denied = submit(ledger, denial="it is all of the data")
    assert (denied.state, denied.reason) == (State.DENIED, "it is all of the data")


def test_neither_log_nor_table_nor_file_names_the_person(root: Path, ledger: Ledger):
    submit(ledger, key="account-of-jane")
    for content, _ in everything(root).values():
        assert b"jane" not in content
    assert not any("jane" in path for path in everything(root))


def test_the_same_event_twice_is_one_request(ledger: Ledger):
    first = submit(ledger, key="event-1")
    again = submit(ledger, key="event-1", received_at=NOW - DAY)
    assert again == first
    assert len(ledger.requests(None, NOW)) == 1
    with pytest.raises(KeyConflict, match=first.ref):
        submit(ledger, Selector("subject", ("joe",)), key="event-1")


def test_a_key_that_comes_again_with_another_request_is_refused_for_ever(
    root: Path, ledger: Ledger
):
    """Also once the first request is complete and its own key is gone: nobody is lost."""
    first = completed(ledger, submit(ledger, key="event-1").ref)
    sealed.shred(root / "keys", first.ref)
    assert submit(reopened(root), key="event-1") == first
    with pytest.raises(KeyConflict, match="take a new key") as caught:
        submit(reopened(root), Selector("subject", ("joe",)), key="event-1")
    assert caught.value.exit_code == 2
    with pytest.raises(KeyConflict):
        submit(reopened(root), Selector("example", ("jane",)), key="event-1")


def test_what_nobody_can_compare_any_more_is_not_taken_for_the_same(
    root: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
):
    """A log from before the digests: once the first selector's key is shredded, none can tell."""
    monkeypatch.setattr(SelectorStore, "content_digest", lambda *_: None)
    first = submit(ledger, key="event-1")
    monkeypatch.undo()
    assert submit(reopened(root), key="event-1") == first
    completed(ledger, first.ref)
    sealed.shred(root / "keys", first.ref)
    with pytest.raises(KeyConflict):
        submit(reopened(root), key="event-1")


def test_the_same_demand_in_another_order_is_the_same_request(ledger: Ledger):
    first = submit(ledger, Selector("subject", ("jane", "joe")), key="event-1")
    assert submit(ledger, Selector("subject", ("joe", "jane", "joe")), key="event-1") == first


def completed(ledger: Ledger, ref: str) -> DeletionRequest:
    """Take an accepted request to its end."""
    for state in (State.EXTRACTING, State.PURGING, State.COMPLETE):
        found = ledger.move(ref, state, now=NOW)
    return found


def test_a_second_request_of_the_same_person_is_linked_and_keeps_its_deadline(ledger: Ledger):
    first = submit(ledger)
    second = submit(ledger, received_at=NOW - DAY)
    assert (second.state, second.reason) == (
        State.ACCEPTED,
        f"asks for the same as {first.ref}, goes with it",
    )
    assert second.due_at == first.due_at - DAY
    assert submit(ledger, Selector("subject", ("joe",))).reason is None


def test_a_lost_key_of_one_request_keeps_nobody_else_from_asking(root: Path) -> None:
    ledger = Ledger.open(root / "records", root / "keys")
    lost = submit(ledger)
    sealed.shred(root / "keys", lost.ref)
    assert submit(ledger, Selector("subject", ("joe",))).state is State.ACCEPTED


def test_a_request_goes_with_the_run_that_erased_its_examples(root: Path, ledger: Ledger):
    one, two = submit(ledger).ref, submit(ledger).ref
    run = ledger.start_run([one], now=NOW)
    for _ in range(2):
        linked = ledger.link(two, run, now=NOW)
    assert (linked.state, linked.run, linked.reason) == (
        State.PURGING,
        run,
        f"the same was erased by {run}",
    )
    later = ledger.submit(
        JANE,
        received_at=NOW,
        jurisdiction="gdpr",
        idempotency_key=None,
        examples=0,
        now=NOW,
        erased_by=run,
    )
    assert (later.state, later.run) == (State.PURGING, run)
    assert reopened(root).check().ok
    with pytest.raises(RequestDenied):
        ledger.link(submit(ledger, examples=0).ref, run, now=NOW)


def test_a_request_from_the_future_is_refused(ledger: Ledger):
    with pytest.raises(UsageError, match="past"):
        submit(ledger, received_at=NOW + DAY)


@pytest.mark.parametrize(
    ("kind", "values", "column"),
    [
        ("person", ("a",), None),
        ("subject", (), None),
        ("class", ("",), None),
        ("where", ("a",), None),
        ("subject", ("a",), "style"),
    ],
)
def test_a_selector_that_selects_nothing_sensible_is_refused(
    kind: str, values: tuple[str, ...], column: str | None
):
    with pytest.raises(UsageError, match="expected"):
        Selector(kind, values, column)  # type: ignore[arg-type]


def test_an_unknown_reference_is_named(ledger: Ledger):
    for ask in (ledger.request, ledger.selector, ledger.run_requests):
        with pytest.raises(UnknownReference, match="req-0"):
            ask("req-0")


def test_requests_come_by_deadline_and_the_urgent_ones_are_still_open(ledger: Ledger):
    """Received 40 and 20 days ago: due 1 June (overdue) and 22 June; received today: 10 July."""
    old = submit(ledger, received_at=NOW - 40 * DAY)
    new = submit(ledger)
    middle = submit(ledger, received_at=NOW - 20 * DAY)
    denied = submit(ledger, examples=0, received_at=NOW - 40 * DAY)
    assert [r.ref for r in ledger.requests(None, NOW)][2:] == [middle.ref, new.ref]
    assert [r.ref for r in ledger.requests(14 * DAY, NOW)] == [old.ref, middle.ref]
    assert denied.ref not in {r.ref for r in ledger.requests(90 * DAY, NOW)}


def test_a_move_is_one_log_entry_and_only_to_a_next_state(ledger: Ledger):
    ref = submit(ledger).ref
    before = len(ledger.log.entries())
    assert ledger.move(ref, State.EXTRACTING, now=NOW).state is State.EXTRACTING
    assert len(ledger.log.entries()) == before + 1
    with pytest.raises(RequestDenied, match="cannot become complete") as caught:
        ledger.move(ref, State.COMPLETE, now=NOW)
    assert caught.value.exit_code == 12
    assert len(ledger.log.entries()) == before + 1


def test_a_move_repeated_under_its_key_changes_nothing(ledger: Ledger):
    """A resumed run repeats its first move although the request is further on by now."""
    ref = submit(ledger).ref
    ledger.move(ref, State.EXTRACTING, now=NOW, key="run-1/extracting")
    ledger.move(ref, State.UNLEARNING, now=NOW, key="run-1/unlearning")
    entries = ledger.log.entries()
    assert ledger.move(ref, State.EXTRACTING, now=NOW, key="run-1/extracting").state is (
        State.UNLEARNING
    )
    assert ledger.log.entries() == entries


def test_every_state_leads_to_an_end_and_only_ends_have_no_deadline():
    """Follow the arrows backwards from the two ends: every state is met."""
    ends = {state for state in State if state.terminal}
    assert ends == {State.COMPLETE, State.DENIED}
    met = set(ends)
    for _ in State:
        met |= {state for state in State if NEXT[state] & met}
    assert met == set(State)


def test_a_run_holds_its_requests_until_it_is_finished(ledger: Ledger):
    one, two = submit(ledger).ref, submit(ledger).ref
    run = ledger.start_run([two, one], now=NOW)
    assert ledger.unfinished_run([one, two]) == run
    assert ledger.unfinished_run([one]) is None
    assert ledger.run_requests(run) == tuple(sorted((one, two)))
    assert ledger.request(one).run == run
    with pytest.raises(RequestDenied, match=run):
        ledger.start_run([one], now=NOW)
    ledger.finish_run(run, now=NOW)
    ledger.finish_run(run, now=NOW + DAY)
    assert ledger.unfinished_run([one, two]) is None
    assert ledger.start_run([one], now=NOW) != run


def test_a_run_takes_accepted_requests_only(ledger: Ledger):
    with pytest.raises(RequestDenied, match=r"is denied \(.*\), expected accepted"):
        ledger.start_run([submit(ledger, examples=0).ref], now=NOW)
    with pytest.raises(UsageError, match="at least one"):
        ledger.start_run([], now=NOW)


def test_a_step_is_done_once_whoever_asks(root: Path, ledger: Ledger):
    run = ledger.start_run([submit(ledger).ref], now=NOW)
    calls: list[int] = []

    def work() -> dict[str, object]:
        calls.append(1)
        return {"sha256": "ab" * 32, "shape": (1, 2)}

    first = ledger.once(run, "extract", work, clock=clock)
    again = reopened(root).once(run, "extract", work, clock=clock)
    assert first == again == {"sha256": "ab" * 32, "shape": [1, 2]}
    assert len(calls) == 1


def test_a_step_that_fails_is_not_in_the_log(ledger: Ledger):
    run = ledger.start_run([submit(ledger).ref], now=NOW)

    def work() -> dict[str, object]:
        raise InfrastructureError("shard 3a: missing")

    with pytest.raises(InfrastructureError):
        ledger.once(run, "extract", work, clock=clock)
    assert ledger.log.find(f"{run}/extract") is None
    assert ledger.once(run, "extract", lambda: {"done": 1}, clock=clock) == {"done": 1}


def test_a_crash_between_log_and_table_is_made_good(root: Path, ledger: Ledger):
    """The table of an hour ago is put back, as if the last writes had never reached it."""
    ref = submit(ledger).ref
    database = root / "records" / "ledger.db"
    old = database.read_bytes()
    ledger.move(ref, State.HELD, now=NOW, reason="legal hold")
    database.write_bytes(old)
    before = everything(root)
    assert reopened(root, read_only=True).request(ref).state is State.HELD
    assert everything(root) == before
    assert reopened(root).request(ref).reason == "legal hold"
    assert reopened(root).check().ok


def test_a_crash_between_seal_and_log_leaves_nothing_of_the_person(root: Path, ledger: Ledger):
    known = submit(ledger).ref
    folder, keys = root / "records" / "sealed", root / "keys"
    SelectorStore(folder, keys).put("req-lost", JANE)
    halfway = [place / ".x.part" for place in (folder, keys, keys / "requests", root / "records")]
    for path in halfway:
        path.write_bytes(b"half")
    assert reopened(root).selector(known) == JANE
    assert [path for path in halfway if path.exists()] == []
    assert {path.name for path in folder.iterdir()} == {f"{known}.bin", "lock"}
    assert [path.stem for path in (keys / "requests").iterdir()] == [known]


def test_a_failing_table_does_not_lose_the_entry(
    ledger: Ledger, root: Path, monkeypatch: pytest.MonkeyPatch
):
    """The log is written, the table is not; the next change carries both over."""
    one, two = submit(ledger).ref, submit(ledger).ref

    def full(self: Projection, entries: object) -> None:
        raise InfrastructureError("ledger.db: disk is full")

    with monkeypatch.context() as patch, pytest.raises(InfrastructureError):
        patch.setattr(Projection, "apply", full)
        ledger.move(one, State.HELD, now=NOW)
    ledger.move(two, State.HELD, now=NOW)
    assert ledger.request(one).state is State.HELD
    assert ledger.check().ok


def test_a_truncated_log_raises_the_alarm(root: Path, ledger: Ledger):
    submit(ledger)
    submit(ledger)
    log = root / "records" / "log.jsonl"
    log.write_bytes(log.read_bytes().splitlines(keepends=True)[0])
    for read_only in (True, False):
        with pytest.raises(LogTruncated, match="has 1 entry") as caught:
            reopened(root, read_only=read_only)
        assert caught.value.exit_code == 30


@pytest.mark.parametrize("witness", ["records/ledger.db", "keys/head.json"])
def test_a_log_written_anew_raises_the_alarm(root: Path, ledger: Ledger, witness: str):
    """Same key, same length, other history: the chain is sound, but it is not the one seen."""
    submit(ledger)
    kept = (root / witness).read_bytes()
    for name in ("records/log.jsonl", "records/ledger.db", "keys/head.json"):
        (root / name).unlink()
    for path in [*root.glob("records/sealed/*"), *root.glob("keys/requests/*")]:
        path.unlink()
    submit(reopened(root))
    (root / witness).write_bytes(kept)
    with pytest.raises(LogAltered, match="rewritten"):
        reopened(root)


def test_an_edited_or_broken_table_is_found(root: Path, ledger: Ledger):
    ref = submit(ledger).ref
    path = root / "records" / "ledger.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE requests SET state = 'complete'")
    problems = reopened(root).check().problems
    assert problems == (f"ledger.db: requests row {ref}: differs from what the log says",)
    path.write_bytes(b"no database at all" * 100)
    for read_only in (True, False):
        with pytest.raises(ProjectionBroken, match="delete the file"):
            reopened(root, read_only=read_only)
    path.unlink()
    assert reopened(root).request(ref).state is State.ACCEPTED


def test_a_table_on_a_disk_that_refuses_is_one_line(root: Path):
    (root / "records" / "ledger.db").mkdir()
    with pytest.raises(InfrastructureError, match=r"ledger\.db") as caught:
        reopened(root)
    assert "\n" not in str(caught.value) and caught.value.exit_code == 20


def test_a_swapped_selector_is_not_believed(root: Path, ledger: Ledger):
    """Whoever holds the key can seal another name, but not change what the log committed to."""
    ref = submit(ledger).ref
    value = {"kind": "subject", "values": ["joe"], "column": None}
    sealed.seal(root / "records" / "sealed" / f"{ref}.bin", root / "keys", ref, value)
    with pytest.raises(SealAltered, match="committed"):
        ledger.selector(ref)


def test_reading_writes_nothing_and_needs_no_private_key(root: Path, ledger: Ledger):
    ref = submit(ledger).ref
    (root / "keys" / "signing.pem").unlink()
    before = everything(root)
    reading = reopened(root, read_only=True)
    assert reading.request(ref).ref == ref
    assert reading.check().ok
    assert everything(root) == before
    with pytest.raises(UsageError, match="for reading"):
        reading.move(ref, State.HELD, now=NOW)


def _numbers() -> st.SearchStrategy[list[tuple[int, int, int]]]:
    number = st.integers(0, 999)
    return st.lists(st.tuples(number, number, number), max_size=25)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_numbers())
def test_replay_is_state_whatever_happens(actions: list[tuple[int, int, int]]):
    """Random submissions, moves, verbs, runs, steps and restarts, legal or refused."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        create_keys(root / "keys", root / "records")
        ledger = reopened(root)
        submit(ledger)
        for action in actions:
            ledger = _act(root, ledger, *action)
        again = reopened(root, read_only=True)
        assert again.check().ok and len(again.log.entries()) == len(ledger.log.entries())
        for request in again.requests(None, NOW):
            assert request.state.terminal or request.due_at > request.received_at
            assert request.state in State


def _act(root: Path, ledger: Ledger, what: int, which: int, how: int) -> Ledger:
    refs = [request.ref for request in ledger.requests(None, NOW)]
    ref = refs[which % len(refs)] if refs else "req-0"
    moment = NOW + timedelta(hours=how)
    try:
        match what % 7:
            case 0:
                submit(ledger, examples=how % 3, key=f"event-{which % 4}" if how % 2 else None)
            case 1:
                ledger.move(ref, list(State)[how % len(State)], now=moment)
            case 2:
                verb = list(Verb)[how % len(Verb)]
                ledger.say(verb, ref, reason="complex", now=moment)
            case 3:
                run = ledger.start_run([ref], now=moment)
                ledger.once(run, "extract", lambda: {"examples": how}, clock=clock)
            case 4:
                run = ledger.unfinished_run([ref]) or "run-0"
                ledger.finish_run(run, now=moment)
            case 5:
                ledger.move(ref, State.ACCEPTED, now=moment)
            case _:
                ledger = reopened(root)
    except LetheError as refusal:
        assert "\n" not in str(refusal)
    return ledger


class Killed(BaseException):
    """Stands for kill -9 at one write."""


def die_at(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Count the ledger's own writes to the disk, and die at the given one."""
    counted, sync = count(), os.fsync

    def dying(descriptor: int) -> None:
        if next(counted) == at:
            raise Killed
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", dying)


@pytest.mark.parametrize("at", range(17))
def test_killed_at_any_write_and_started_again(
    root: Path, at: int, monkeypatch: pytest.MonkeyPatch
):
    """Submit and move under keys, die at the n-th write, do all of it again.

    Seventeen writes: mark, key and selector, each with its folder, the log with its folder, its
    head with its folder, the mark's end, the log again with its head.
    """

    def story() -> None:
        ledger = reopened(root)
        request = submit(ledger, key="event-1")
        ledger.move(request.ref, State.HELD, now=NOW, key="held")

    with monkeypatch.context() as patch:
        die_at(patch, at)
        with suppress(Killed):
            story()
    story()
    ledger = reopened(root)
    assert [r.state for r in ledger.requests(None, NOW)] == [State.HELD]
    assert [entry.event for entry in ledger.log.entries()] == ["submitted", "moved"]
    assert ledger.check().ok
    assert len(list((root / "records" / "sealed").glob("*.bin"))) == 1
    assert ledger.selector(ledger.requests(None, NOW)[0].ref) == JANE
