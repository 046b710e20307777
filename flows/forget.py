"""A deletion request becomes a judged, sealed, promoted model.

Between the tasks travel a workspace's path and a run's reference; what they found is in the run's
journal, so that a run which was killed goes on from its last finished step.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prefect import flow

from flows import shown
from flows.steps import outside, step
from tasks import unlearn as ladder
from tasks.approval.asking import ask_persons
from tasks.approval.words import WAITS, because, told
from tasks.attest import attest_erasure, erased_assurance, upgraded
from tasks.claim import claim_requests, link_erased
from tasks.erase import erase_examples
from tasks.expect import expect_erased, expect_limits, expect_sound_data
from tasks.extract import extract_forget_set
from tasks.judge import judge_attempt
from tasks.promote import promote_candidate
from tasks.purge import finish_linked, finish_purging, purge_copies
from tasks.running.champion import as_champion
from tasks.running.opened import opened
from tasks.running.run import Run, close, give_back, left_out
from tasks.seal import ERASING, PURGE, RELEASED, decide, seal_evidence
from tasks.suppress import suppress_examples
from tasks.trace import show_release, start_tracking, trace_attempt, trace_run
from tasks.unlearn import Attempt
from tasks.witness import bring_up_to_date, witness_run

link = step(link_erased)
claim = step(claim_requests)
extract = step(extract_forget_set)
expect_data = step(expect_sound_data)
track = outside(start_tracking)
unlearn = step(ladder.make_candidate).with_options(task_run_name="unlearn {attempt.label}")
judge = step(judge_attempt).with_options(task_run_name="judge {attempt.label}")
note_attempt = outside(trace_attempt)
expect_numbers = step(expect_limits)
ask = step(ask_persons)
seal = step(seal_evidence)
show_witnesses = outside(witness_run)
note_run = outside(trace_run)
promote = outside(promote_candidate)
show = outside(show_release)
suppress = step(suppress_examples)
erase = outside(erase_examples)
expect_gone = step(expect_erased)
purge = outside(purge_copies)
attest = step(attest_erasure)


@flow(name="forget", validate_parameters=False, persist_result=False)
def forget(
    workspace: str,
    requests: Sequence[str],
    policy: str,
    method: str | None = None,
) -> dict[str, Any]:
    """Extract the forget set, unlearn, judge, seal, promote, erase; or leave the champion alone."""
    # (1) Requests for what is erased already go with the run that did it. Claim the others, or go
    #     on with the run that a crash left over them.
    waiting = link(workspace, requests)
    if not waiting:
        return settled(workspace, requests)
    run = claim(workspace, waiting, Path(policy), method)
    shown.name_run(run)

    # (2) Extract the forget set from the verified data version, and check both.
    forget_set = extract(run)
    expect_data(run)
    track(run)

    # (3) Climb the ladder: unlearn, measure, judge, until a candidate is released.
    while forget_set["train"] and (attempt := ladder.next_attempt(run)):
        try_one(run, attempt)
    if ladder.attempts_done(run):
        expect_numbers(run)

    # (4) What policy sends to a person waits for his answer, undecided; the workspace is free.
    if ask(run):
        return waiting_for_persons(run)

    # (5) Seal before release: a crash between the two must leave evidence without a release,
    #     never a release without evidence.
    decision = decide(run)["decision"]
    seal(run)
    show_witnesses(run)
    note_run(run)

    # (6) Promote by compare-and-set on the parent, or leave the champion as it is.
    if decision == RELEASED:
        promote(run)
        show(run)

    # (7) Erase the examples from every copy that can be reached, and list what remains.
    if decision in ERASING:
        suppress(run)
        erase(run)
        expect_gone(run)
        purge(run)
        attest(run)  # only now may it be said that the data are gone
    else:
        give_back(run, because(run, decision))
    return summary(run)


def try_one(run: Run, attempt: Attempt) -> None:
    """Make one candidate and judge it."""
    with shown.training(run, attempt):
        unlearn(run, attempt)
    judge(run, attempt)
    note_attempt(run, attempt)
    shown.show_run(run)


def summary(run: Run) -> dict[str, Any]:
    """Complete the requests of which no copy remains, say what came of the run, and close it."""
    decided = run.done("decided") or {}
    tried = ladder.attempts_done(run)
    requests = run.requests
    erases = decided["decision"] in ERASING
    served = run.served if erases else requests
    remaining = finish_purging(run.at, served) if erases else []
    removed = list((run.done("purged") or {}).get("copies", []))
    found = {
        "run": run.ref,
        "requests": list(requests),
        "attempts": [_short(record) for record in tried],
        "drift": (run.done("extracted") or {}).get("drift"),
        "not_tried": left_out(run.done("extracted") or {}),
        "decision": decided["decision"],
        "assurance": (run.done("attested") or decided)["assurance"],
        "champion": as_champion(run.at),
        "evidence": str(run.bundle),
        "copies": removed + [copy for copy in remaining if copy not in removed],
        "states": {ref: str(run.at.ledger.request(ref).state) for ref in served},
    }
    if risen := upgraded(run):
        found["upgraded"] = risen
    bring_up_to_date(run.at)
    shown.show_run(run)
    close(run)  # last: what a crash leaves undone before, the same command does again
    return found


def waiting_for_persons(run: Run) -> dict[str, Any]:
    """Say what is asked of whom; the run stays as it is until it is answered."""
    found = told(run)
    shown.show_question(run, found)
    return {
        "run": run.ref,
        "requests": list(run.requests),
        "attempts": [_short(record) for record in ladder.attempts_done(run)],
        "drift": (run.done("extracted") or {}).get("drift"),
        "not_tried": left_out(run.done("extracted") or {}),
        "decision": WAITS,
        "assurance": "A0",
        "champion": as_champion(run.at),
        **found,
        "copies": [],
        "states": {ref: str(run.at.ledger.request(ref).state) for ref in run.requests},
    }


def settled(workspace: str, requests: Sequence[str]) -> dict[str, Any]:
    """Complete requests that another run has served, as far as no copy remains."""
    at = opened(workspace)
    remaining = finish_linked(at, requests)
    found = [at.ledger.request(ref) for ref in requests]
    return {
        "run": found[-1].run,
        "requests": list(requests),
        "attempts": [],
        "decision": PURGE,
        "assurance": erased_assurance(at, found[-1].run),
        "champion": as_champion(at),
        "evidence": None,
        "copies": remaining,
        "states": {request.ref: str(request.state) for request in found},
    }


def _short(record: dict[str, Any]) -> dict[str, Any]:
    kept = ("method", "settings", "seconds", "decision", "verdicts", "controls", "effect", "error")
    geometry = ("class_out_models", "models_apart", "not_measured")
    return {key: record[key] for key in (*kept, *geometry) if key in record}
