"""What a person may say of a request, and when: one table, one entry of the log each."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from pathlib import Path

import pytest

from ledger.clock import WENT_BACK
from ledger.domain import NEXT, DeletionRequest, Selector, State
from ledger.errors import KeyMissing, LateExtension, SelectorMissing
from ledger.requests import Ledger, Verb
from ledger.requests.verbs import VERBS
from unlearning.errors import RequestDenied, UsageError

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def ledger(keys: Path) -> Ledger:
    return reopened(keys)


def reopened(keys: Path) -> Ledger:
    return Ledger.open(keys.parent / "records", keys)


def submit(ledger: Ledger, jurisdiction: str = "gdpr", who: str = "jane") -> DeletionRequest:
    return ledger.submit(
        Selector("subject", (who,)),
        received_at=NOW,
        jurisdiction=jurisdiction,
        idempotency_key=None,
        examples=3,
        now=NOW,
    )


def say(ledger: Ledger, verb: Verb, ref: str, now: datetime = NOW) -> DeletionRequest:
    return ledger.say(verb, ref, reason="art. 17(3)(e)", now=now)


def path_to(state: State) -> list[State]:
    """The shortest way from `accepted` to a state, without its beginning."""
    paths = {State.ACCEPTED: [State.ACCEPTED]}
    for _ in State:
        for at, path in list(paths.items()):
            for follower in sorted(NEXT[at]):
                paths.setdefault(follower, [*path, follower])
    return paths[state][1:]


REACHED = [state for state in State if state is not State.RECEIVED]  # recorded as decided, always


@pytest.mark.parametrize("verb", list(Verb))
@pytest.mark.parametrize("state", REACHED)
def test_the_table_is_what_may_be_said(ledger: Ledger, state: State, verb: Verb) -> None:
    """Allowed: one entry, the state of the table, the reason. Not allowed: 12, and nothing."""
    ref = submit(ledger).ref
    for step in path_to(state):
        ledger.move(ref, step, now=NOW)
    before, rule = ledger.request(ref), VERBS[verb]
    entries = len(ledger.log.entries())
    if state in rule.states:
        after = say(ledger, verb, ref)
        assert after.state is (rule.to or state)
        assert ledger.log.entries()[-1].event == rule.event
        assert ledger.log.entries()[-1].body["reason"] == "art. 17(3)(e)"
        assert len(ledger.log.entries()) == entries + 1
    else:
        with pytest.raises(RequestDenied, match=f"is {state}") as caught:
            say(ledger, verb, ref)
        assert caught.value.exit_code == 12
        assert ledger.request(ref) == before
        assert len(ledger.log.entries()) == entries
    assert ledger.check().ok


def test_no_verb_leads_where_no_state_may_follow() -> None:
    leading = {verb: rule for verb, rule in VERBS.items() if rule.to is not None}
    assert all(rule.to in NEXT[state] for rule in leading.values() for state in rule.states)
    assert not any(state.terminal for rule in VERBS.values() for state in rule.states)


@pytest.mark.parametrize("verb", [Verb.DENY, Verb.HOLD])
def test_a_request_in_a_run_is_first_given_back(ledger: Ledger, verb: Verb) -> None:
    """Also between the run's entry and the request's first move."""
    ref = submit(ledger).ref
    run = ledger.start_run([ref], now=NOW)
    with pytest.raises(RequestDenied, match=f"is in run {run}.*lethe abort {run}"):
        say(ledger, verb, ref)
    assert say(ledger, Verb.EXTEND, ref).due_at > submit(ledger).due_at
    ledger.finish_run(run, now=NOW)
    assert say(ledger, verb, ref).state is VERBS[verb].to


def test_who_is_held_is_not_claimed_and_the_clock_runs(ledger: Ledger) -> None:
    ref, due = submit(ledger).ref, submit(ledger).due_at
    held = say(ledger, Verb.HOLD, ref)
    assert (held.state, held.reason, held.due_at) == (State.HELD, "art. 17(3)(e)", due)
    assert ref in {r.ref for r in ledger.requests(90 * DAY, NOW)}
    with pytest.raises(RequestDenied, match=f"is held .*`lethe resume {ref} --reason TEXT`"):
        ledger.start_run([ref], now=NOW)
    assert say(ledger, Verb.RESUME, ref).state is State.ACCEPTED
    ledger.start_run([ref], now=NOW)


def test_a_denied_request_is_over_and_what_it_named_is_gone(keys: Path, ledger: Ledger) -> None:
    ref = submit(ledger).ref
    denied = say(ledger, Verb.DENY, ref)
    assert (denied.state, denied.reason) == (State.DENIED, "art. 17(3)(e)")
    assert list((keys / "requests").iterdir()) == []
    with pytest.raises(RequestDenied, match=r"is denied \(art\. 17\(3\)\(e\)\)"):
        ledger.selector(ref)
    with pytest.raises(RequestDenied, match="is denied"):
        ledger.start_run([ref], now=NOW)
    assert ledger.requests(90 * DAY, NOW) == []


def test_a_request_that_is_denied_at_once_leaves_no_key(keys: Path, ledger: Ledger) -> None:
    ledger.submit(
        Selector("subject", ("nobody",)),
        received_at=NOW,
        jurisdiction="gdpr",
        idempotency_key=None,
        examples=0,
        now=NOW,
    )
    assert list((keys / "requests").iterdir()) == []


@pytest.mark.parametrize(
    ("law", "due", "inform_by"),
    [
        ("gdpr", datetime(2026, 9, 10, 21, 59, 59, tzinfo=UTC), "2026-07-10T21:59:59"),
        ("ccpa", datetime(2026, 9, 9, 6, 59, 59, tzinfo=UTC), "2026-07-26T06:59:59"),
    ],
)
def test_an_extension_moves_the_deadline_once_and_not_late(
    ledger: Ledger, law: str, due: datetime, inform_by: str
) -> None:
    """10 June and three months is 10 September 2026, a Thursday, to its end in Brussels.

    10 June and 90 days is 8 September, to its end in Los Angeles, seven hours behind UTC; the
    person is told within the first 45, by 25 July.
    """
    one, late = submit(ledger, law), submit(ledger, law, "joe")
    assert say(ledger, Verb.EXTEND, one.ref).due_at == due
    assert ledger.log.entries()[-1].body["inform_by"].startswith(inform_by)
    with pytest.raises(RequestDenied, match="no second extension"):
        say(ledger, Verb.EXTEND, one.ref, NOW + DAY)
    with pytest.raises(LateExtension):
        say(ledger, Verb.EXTEND, late.ref, NOW + 50 * DAY)
    assert ledger.request(late.ref) == late


def test_an_extension_says_nothing_of_why_a_request_is_held(ledger: Ledger) -> None:
    ref = submit(ledger).ref
    ledger.say(Verb.HOLD, ref, reason="a lawsuit", now=NOW)
    assert say(ledger, Verb.EXTEND, ref).reason == "a lawsuit"


def test_why_is_asked(ledger: Ledger) -> None:
    ref = submit(ledger).ref
    for verb in Verb:
        with pytest.raises(UsageError, match="--reason: got nothing"):
            ledger.say(verb, ref, reason=" ", now=NOW)


@pytest.mark.parametrize(
    ("lost", "said"), [("keys/requests", KeyMissing), ("records/sealed", SelectorMissing)]
)
def test_a_lost_request_is_named_and_can_be_denied(
    keys: Path, ledger: Ledger, lost: str, said: type[Exception]
) -> None:
    one, other = submit(ledger).ref, submit(ledger, who="joe").ref
    next((keys.parent / lost).glob(f"{one}.*")).unlink()
    with pytest.raises(said, match=f"lethe deny {one} --reason TEXT"):
        ledger.selector(one)
    assert ledger.lost(one) and ledger.lost(other) is None
    assert say(ledger, Verb.DENY, one).state is State.DENIED


class Killed(BaseException):
    """Stands for kill -9 at one write."""


@pytest.mark.parametrize("verb", list(Verb))
def test_killed_at_any_write_and_opened_again(
    keys: Path, verb: Verb, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Log, head with its folder, key's folder: said or not said, never anything in between."""
    for at in range(4):
        ledger = reopened(keys)
        ref = submit(ledger, who=f"jane{at}").ref
        if verb is Verb.RESUME:
            say(ledger, Verb.HOLD, ref)
        with monkeypatch.context() as patch, suppress(Killed):
            die_at(patch, at)
            say(ledger, verb, ref)
        ledger = reopened(keys)
        if ledger.log.entries()[-1].event != VERBS[verb].event:
            say(ledger, verb, ref)
        assert ledger.log.entries()[-1].event == VERBS[verb].event
        assert ledger.request(ref).state is (VERBS[verb].to or State.ACCEPTED)
        assert (keys / "requests" / f"{ref}.key").exists() is (verb is not Verb.DENY)
        assert ledger.check().ok
    events = [entry.event for entry in ledger.log.entries()]
    assert not any(one == other == VERBS[verb].event for one, other in pairwise(events))


def die_at(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    counted, sync = count(), os.fsync

    def dying(descriptor: int) -> None:
        if next(counted) == at:
            raise Killed
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", dying)


def test_who_told_of_a_clock_afterwards_extends_nothing_that_was_over_before(
    ledger: Ledger,
) -> None:
    """What verify would hold against the log is not written: also of a part taken later."""
    old = submit(ledger)
    ledger.log.append("noted", {}, key="ahead", now=NOW + 40 * DAY)
    back = ledger.log.append("noted", {}, key="back", now=NOW).seq
    told = {"entry": back, "reason": "the clock was ahead", "by": "somebody"}
    for number in range(5):
        ledger.log.append("noted", {}, key=f"noted/{number}", now=NOW)
    ledger.record(WENT_BACK, told, key="told", now=NOW)
    part = ledger.hold_part(old.ref, ["e-7"], examples=3, reason="a lawsuit", now=NOW)
    for request in (old, part):
        with pytest.raises(LateExtension, match="asked for at 2026-07-20"):
            say(ledger, Verb.EXTEND, request.ref, NOW + DAY)
    assert say(ledger, Verb.EXTEND, submit(ledger, who="joe").ref, NOW + DAY)
