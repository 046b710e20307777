"""A person's word on a run that waits for it: who may give it, and what the log has of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.cli.output import CODES
from flows.cli.work import queries
from ledger.domain import State
from ledger.replay.approvals import awaiting, standing
from tasks.abort import abort
from tasks.approval.answering import Word, answer, note_suspended, waiting_with
from tasks.approval.asking import by_persons
from tasks.approval.words import because, waits_for
from tasks.keeping.collecting import why_now
from tasks.requests.waiting import chosen, refused
from tasks.running.opened import Opened
from tasks.running.operator import operator
from tasks.running.run import Run
from tests.unit.submitted import accepted, workspace
from unlearning.errors import RequestDenied, UsageError

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
YES = Word("dpo", "the class is to go", approve=True, override=False, through="lethe approve")
DENIED, WAITS = 12, 13


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opened:
    monkeypatch.setenv("LETHE_OPERATOR", "ops-7")
    return Opened(str(workspace(tmp_path).root))


def waiting(at: Opened, *, override: bool = False) -> Run:
    """Take a run to where persons are asked."""
    request = accepted(at.ledger, NOW)
    run = Run(at, at.ledger.start_run([request.ref], now=NOW))
    run.once("begun", lambda: {"operator": operator()})
    for state in (State.EXTRACTING, State.UNLEARNING, State.JUDGING):
        run.move(state)
    question = {
        "reasons": ["1 class(es) are forgotten whole"],
        "persons": 2 if override else 1,
        "override": override,
        "candidate": "ab" * 32,
        "records": [],
    }
    run.once("proposed", lambda: question)
    run.move(State.AWAITING_APPROVAL)
    return run


def test_an_answer_is_an_entry_that_says_who_and_what(at: Opened) -> None:
    run = waiting(at)
    found = answer(at, run.requests[0], YES)
    entry = at.ledger.log.entries()[-1]
    assert entry.event == "approval"
    told = {name: entry.body[name] for name in ("reviewer", "answer", "account", "candidate")}
    assert told == {
        "reviewer": "dpo",
        "answer": "approved",
        "account": "ops-7",
        "candidate": "ab" * 32,
    }
    assert entry.body["reason"] == "the class is to go"
    assert found["approval"]["given"] == ["dpo"]
    stands = standing(at.ledger.log.entries(), run.ref)
    assert stands is not None and by_persons(stands) == "released"
    assert waits_for(at.ledger, at.ledger.request(run.requests[0])) == (
        "answered: `lethe forget` goes on with it"
    )


@pytest.mark.parametrize(
    ("word", "error", "said"),
    [
        (replace(YES, reviewer="OPS-7 "), RequestDenied, "the operator who started"),
        (replace(YES, reviewer="ops-7", approve=False), RequestDenied, "the operator"),
        (replace(YES, reviewer="jane@example.org"), UsageError, "--reviewer"),
        (replace(YES, reviewer=""), UsageError, "--reviewer"),
        (replace(YES, reason=" "), UsageError, "--reason"),
        (replace(YES, reason="ask jane@example.org"), UsageError, "e-mail address"),
        (replace(YES, override=True), UsageError, "--override"),
    ],
)
def test_a_word_that_cannot_count_is_not_logged(
    at: Opened, word: Word, error: type[Exception], said: str
) -> None:
    run = waiting(at)
    before = at.ledger.log.entries()
    with pytest.raises(error, match=said):
        answer(at, run.requests[0], word)
    assert at.ledger.log.entries() == before


def test_an_override_takes_two_persons_who_say_so(at: Opened) -> None:
    run = waiting(at, override=True)
    ref, both = run.requests[0], replace(YES, override=True)
    with pytest.raises(UsageError, match="--override"):
        answer(at, ref, YES)
    assert answer(at, ref, both)["approval"]["given"] == ["dpo"]
    assert awaiting(at.ledger.log.entries(), run.ref) is not None
    with pytest.raises(RequestDenied, match=r"DPO has approved .* already") as caught:
        answer(at, ref, replace(both, reviewer="DPO"))
    assert caught.value.exit_code == DENIED
    found = answer(at, ref, replace(both, reviewer="head-of-research"))
    assert found["approval"]["given"] == ["dpo", "head-of-research"]
    assert awaiting(at.ledger.log.entries(), run.ref) is None


def test_one_refusal_is_enough_and_says_why(at: Opened) -> None:
    run = waiting(at, override=True)
    ref = run.requests[0]
    answer(at, ref, replace(YES, override=True))
    found = answer(at, ref, replace(YES, reviewer="legal", approve=False, reason="a lawsuit"))
    assert found["approval"]["refused"]
    stands = standing(at.ledger.log.entries(), run.ref)
    assert stands is not None and by_persons(stands) == "refused"
    assert because(run, "refused") == "refused by legal: a lawsuit"
    with pytest.raises(RequestDenied, match=r"answered already, .* `lethe forget"):
        answer(at, ref, replace(YES, reviewer="cto", override=True))


def test_nobody_is_asked_about_a_request_that_waits_for_nobody(at: Opened) -> None:
    request = accepted(at.ledger, NOW)
    with pytest.raises(RequestDenied, match="is accepted, approve expected one that is awaiting"):
        answer(at, request.ref, YES)


def test_list_and_show_say_who_waits_for_whom(at: Opened) -> None:
    run = waiting(at)
    (row,) = queries.list_(at.ws.root, "requests", None)["requests"]
    assert row["waits_for"] == "0 of 1 approvals; not by ops-7"
    shown = queries.show(at.ws.root, run.requests[0])
    assert shown["approval"]["persons"] == 1
    question = shown["approval"]["question"]
    assert "forgotten whole" in question and "report.html" in question
    assert f"lethe approve {run.requests[0]} --reviewer" in question
    answer(at, run.requests[0], YES)
    history = queries.show(at.ws.root, run.requests[0])["history"]
    assert (history[-1]["reviewer"], history[-1]["answer"]) == ("dpo", "approved")


def test_who_waits_for_a_person_holds_up_nobody(at: Opened) -> None:
    held = waiting(at)
    assert chosen(at.ledger, [], everything=True) == list(held.requests)
    other = accepted(at.ledger, NOW)
    assert chosen(at.ledger, [], everything=True) == [other.ref]
    answer(at, held.requests[0], YES)
    assert chosen(at.ledger, [], everything=True) == list(held.requests)


def test_a_deployed_run_goes_on_only_with_what_was_answered(at: Opened) -> None:
    run = waiting(at)
    assert why_now(at) is None
    note_suspended(at, run.ref, "flow-1")
    found = waiting_with(at, "flow-1")
    assert (found and found.ref, waiting_with(at, "flow-2")) == (run.ref, None)
    answer(at, run.requests[0], YES)
    assert run.ref in (why_now(at) or "")
    assert waiting_with(at, "flow-1") is None


def test_a_release_that_was_refused_is_not_asked_about_again_unasked(at: Opened) -> None:
    run = waiting(at)
    answer(at, run.requests[0], replace(YES, approve=False))
    run.move(State.ACCEPTED, "-again")
    at.ledger.finish_run(run.ref, now=NOW)
    (why,) = refused(at, run.requests).values()
    assert "dpo refused its release" in why and "lethe deny" in why
    assert why_now(at) is None  # a deployment would be refused anew at every event


def test_a_run_that_waits_can_be_left(at: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("systems.registry.models.champion", lambda *_: None)
    monkeypatch.setattr("tasks.abort.discard_candidate", lambda _: None)
    run = waiting(at)
    found = abort(at, run.ref, "asked too early")
    assert found["states"] == {run.requests[0]: "accepted"}
    assert awaiting(at.ledger.log.entries(), run.ref) is None


@pytest.mark.parametrize(
    ("user", "named"),
    [("jane", "jane"), ("jane@corp.example", "jane"), ("CORP\\jane", "jane"), ("_x", "user-_x")],
)
def test_an_operator_is_never_an_address(
    user: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LETHE_OPERATOR", raising=False)
    monkeypatch.setattr("getpass.getuser", lambda: user)
    assert operator() == named
    monkeypatch.setenv("LETHE_OPERATOR", "jane@corp.example")
    with pytest.raises(UsageError, match="LETHE_OPERATOR"):
        operator()


def test_it_has_an_exit_code_of_its_own() -> None:
    assert CODES["awaiting_approval"] == WAITS
