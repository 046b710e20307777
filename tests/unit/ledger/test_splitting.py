"""A part of a request is held as a request of its own, in one entry of the log."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.chain import Entry
from ledger.domain import DeletionRequest, Selector, State, selector_of
from ledger.errors import UnknownReference
from ledger.keys import PUBLIC, load_public_keys
from ledger.lines import lines_of
from ledger.replay.beside import _selectors, check_beside
from ledger.replay.semantics import replayed
from ledger.requests import Ledger, Verb
from ledger.store import Store
from ledger.suppression import selector_values
from unlearning.errors import RequestDenied, UsageError

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
WHOLE = Selector("subject", ("jane",))


@pytest.fixture
def ledger(keys: Path) -> Ledger:
    return Ledger.open(keys.parent / "records", keys)


def submitted(ledger: Ledger, **said: Any) -> DeletionRequest:
    known: dict[str, Any] = {"received_at": NOW, "jurisdiction": "gdpr", "now": NOW}
    return ledger.submit(WHOLE, **(known | {"idempotency_key": None, "examples": 4} | said))


def hold_part(ledger: Ledger, ref: str, *ids: str, examples: int = 4) -> DeletionRequest:
    return ledger.hold_part(ref, ids, examples=examples, reason="a lawsuit", now=NOW)


def problems(ledger: Ledger) -> tuple[str, ...]:
    return replayed(ledger.log.entries(), "log").problems


def sealed(keys: Path) -> list[str]:
    folder = keys.parent / "records" / "sealed"
    return sorted(path.name for path in folder.glob("*") if path.suffix in (".bin", ".rest"))


@pytest.mark.parametrize("late", [False, True])
def test_a_part_is_held_and_due_with_the_whole_which_waits_for_the_rest(
    ledger: Ledger, keys: Path, late: bool
) -> None:
    whole = submitted(ledger)
    if late:
        whole = ledger.say(Verb.EXTEND, whole.ref, reason="complex", now=NOW)
    part = hold_part(ledger, whole.ref, "e-7")
    assert (part.state, part.examples) == (State.HELD, 1)
    assert (part.received_at, part.due_at) == (whole.received_at, whole.due_at)
    rest = ledger.request(whole.ref)
    assert (rest.state, rest.examples) == (State.ACCEPTED, 3)
    again = Ledger.open(keys.parent / "records", keys)
    assert again.selector(part.ref) == Selector("subject", ("jane",), only=("e-7",))
    assert again.selector(whole.ref) == Selector("subject", ("jane",), without=("e-7",))
    assert (again.part_of(part.ref), [p.ref for p in again.parts(whole.ref)]) == (
        whole.ref,
        [part.ref],
    )
    assert "e-7" not in str([entry.body for entry in ledger.log.entries()])
    assert problems(again) == ()


def test_a_second_part_and_a_part_of_a_part_leave_each_example_in_one_place(ledger: Ledger) -> None:
    whole = submitted(ledger)
    first = hold_part(ledger, whole.ref, "e-7", "e-8")
    second = hold_part(ledger, whole.ref, "e-9", examples=2)
    third = hold_part(ledger, first.ref, "e-8", examples=2)
    assert ledger.selector(whole.ref).without == ("e-7", "e-8", "e-9")
    only = [ledger.selector(one.ref).only for one in (first, second, third)]
    assert only == [("e-7",), ("e-9",), ("e-8",)]
    counts = [ledger.request(one.ref).examples for one in (whole, first, second, third)]
    assert counts == [1, 1, 1, 1]
    assert problems(ledger) == ()


def test_a_part_goes_on_and_ends_by_itself(ledger: Ledger) -> None:
    whole = submitted(ledger)
    first = hold_part(ledger, whole.ref, "e-7")
    ledger.say(Verb.RESUME, first.ref, reason="over", now=NOW)
    second = hold_part(ledger, whole.ref, "e-8", examples=3)
    ledger.say(Verb.DENY, second.ref, reason="a lawsuit", now=NOW, ground="legal_claims")
    states = [ledger.request(one.ref).state for one in (whole, first, second)]
    assert states == [State.ACCEPTED, State.ACCEPTED, State.DENIED]
    assert ledger.selector(whole.ref).without == ("e-7", "e-8")
    assert problems(ledger) == ()


@pytest.mark.parametrize("ids", [(), ("e-1", "e-2", "e-3", "e-4")])
def test_nothing_and_all_are_no_part(ledger: Ledger, ids: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="some and not all"):
        hold_part(ledger, submitted(ledger).ref, *ids)


def test_no_part_is_taken_from_what_a_run_works_on_or_nobody_has_confirmed(ledger: Ledger) -> None:
    whole, unconfirmed = submitted(ledger), submitted(ledger, asks="runs")
    ledger.start_run([whole.ref], now=NOW)
    with pytest.raises(RequestDenied, match="abort"):
        hold_part(ledger, whole.ref, "e-7")
    with pytest.raises(RequestDenied, match="confirm"):
        hold_part(ledger, unconfirmed.ref, "e-7")


def test_a_part_was_extended_if_its_whole_was(ledger: Ledger) -> None:
    whole = submitted(ledger)
    before = hold_part(ledger, whole.ref, "e-7")
    ledger.say(Verb.EXTEND, whole.ref, reason="complex", now=NOW)
    after = hold_part(ledger, whole.ref, "e-8", examples=3)
    with pytest.raises(RequestDenied, match="no second extension"):
        ledger.say(Verb.EXTEND, after.ref, reason="complex", now=NOW)
    ledger.say(Verb.EXTEND, before.ref, reason="complex", now=NOW)
    assert problems(ledger) == ()


def test_who_asks_the_same_anew_asks_for_more_than_what_is_left(ledger: Ledger) -> None:
    whole = submitted(ledger)
    assert "the same" in str(submitted(ledger).reason)
    hold_part(ledger, whole.ref, "e-7")
    third = submitted(ledger)
    assert third.reason is None or whole.ref not in third.reason


@pytest.mark.parametrize("step", ["put_rest", "record"])
def test_a_crash_before_the_entry_leaves_nothing(
    ledger: Ledger, keys: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    whole = submitted(ledger)
    before = sealed(keys)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    owner = Store if step == "record" else type(ledger._book.selectors)
    with monkeypatch.context() as cut, pytest.raises(KeyboardInterrupt):
        cut.setattr(owner, step, killed)
        hold_part(ledger, whole.ref, "e-7")
    again = Ledger.open(keys.parent / "records", keys)
    assert sealed(keys) == before
    assert [one.ref for one in again.requests(None, NOW)] == [whole.ref]
    assert again.selector(whole.ref) == WHOLE


def test_a_whole_whose_rest_is_missing_is_named(ledger: Ledger, keys: Path) -> None:
    whole = submitted(ledger)
    part = hold_part(ledger, whole.ref, "e-7")
    (keys.parent / "records" / "sealed" / f"{part.ref}.rest").unlink()
    assert ledger.lost(whole.ref) is not None
    records = keys.parent / "records"
    found = check_beside(lines_of(records, None), records, load_public_keys(records / PUBLIC))
    (told,) = (line for line in found.problems if ".rest" in line)
    assert whole.ref in told


FORGED: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "of another name": lambda body: body | {"request": f"{body['part_of']}-9"},
    "not held": lambda body: body | {"state": "accepted"},
    "due later": lambda body: body | {"due_at": (NOW + timedelta(days=80)).isoformat()},
    "received later": lambda body: body | {"received_at": (NOW - timedelta(days=1)).isoformat()},
    "extended": lambda body: body | {"extended": True},
    "confirmed": lambda body: body | {"identity": {"method": "login", "by": "portal"}},
    "waiting to be confirmed": lambda body: body | {"identity_asked": "runs"},
    "judged with another": lambda body: body | {"judged_with": "req-other"},
    "of nothing": lambda body: body | {"examples": 0},
    "without the rest": lambda body: {k: v for k, v in body.items() if k != "rest"},
}


@pytest.mark.parametrize("how", FORGED)
def test_a_log_is_told_from_one_that_never_came_about(ledger: Ledger, how: str) -> None:
    whole = submitted(ledger)
    hold_part(ledger, whole.ref, "e-7")
    entries = [
        Entry(**{**vars_of(entry), "body": FORGED[how](dict(entry.body))})
        if "part_of" in entry.body
        else entry
        for entry in ledger.log.entries()
    ]
    assert replayed(entries, "log").problems


def vars_of(entry: Entry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in entry.__dataclass_fields__}


def test_a_part_of_no_request_is_named_and_is_no_crash(ledger: Ledger, keys: Path) -> None:
    hold_part(ledger, submitted(ledger).ref, "e-7")
    entries = [
        Entry(**{**vars_of(e), "body": {k: v for k, v in e.body.items() if k != "part_of"}})
        for e in ledger.log.entries()
    ]
    assert replayed(entries, "log").problems
    assert list(_selectors(keys.parent / "records" / "sealed", entries))[1:] == []


def test_parts_of_parts_are_told_with_the_whole(ledger: Ledger) -> None:
    whole = submitted(ledger)
    first = hold_part(ledger, whole.ref, "e-7", "e-8")
    third = hold_part(ledger, first.ref, "e-8", examples=2)
    second = hold_part(ledger, whole.ref, "e-9", examples=2)
    assert [p.ref for p in ledger.parts(whole.ref)] == [first.ref, third.ref, second.ref]


def test_a_part_that_no_file_can_be_named_after_leaves_the_workspace_as_it_was(
    ledger: Ledger, keys: Path
) -> None:
    whole = submitted(ledger, ref="r" * 63)
    with pytest.raises(UnknownReference):
        hold_part(ledger, whole.ref, "e-7")
    assert Ledger.open(keys.parent / "records", keys).selector(whole.ref) == WHOLE


def test_what_is_apart_of_named_examples_is_not_the_wholes_on_the_list() -> None:
    part, rest = Selector("example", ("a", "b", "c")).apart(["b"])
    assert [name for _, name in selector_values(rest)] == ["a", "c"]
    assert [name for _, name in selector_values(part)] == ["b"]


def test_a_selector_is_cut_in_two_and_read_back() -> None:
    part, rest = Selector("class", ("cat",)).apart(["b", "a"])
    assert (part.only, rest.without) == (("a", "b"), ("a", "b"))
    assert all(selector_of(one.as_value()) == one for one in (part, rest))
    assert "only" not in Selector("class", ("cat",)).as_value()
