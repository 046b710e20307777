"""A person's answer: one entry of the log, whichever way it came in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ledger.domain import State, require_reason, require_staff, same_staff
from ledger.replay.approvals import APPROVAL, SUSPENDED, Answer, Standing, awaiting, standing
from tasks.approval.words import as_told
from tasks.running.opened import Opened
from tasks.running.operator import operator
from tasks.running.records import as_record, utc_now
from tasks.running.run import Run
from unlearning.errors import RequestDenied, UsageError


@dataclass(frozen=True)
class Word:
    """What a person says. reviewer: a role or staff reference. through: the way it came in.

    approve: False refuses. override: the release is meant against the gate on utility.
    reason: for the log, so it names nobody.
    """

    reviewer: str
    reason: str
    approve: bool
    override: bool
    through: str


def answer(at: Opened, ref: str, word: Word) -> dict[str, Any]:
    """Log a person's answer on the run that a request waits in; give the request's record.

    RequestDenied where nobody is asked, or not this person; UsageError where --override is
    missing or has nothing to override. `lethe forget` then goes on with the run, or ends it.
    """
    require_reason(word.reason, "why: it is logged with the answer")
    reviewer = require_staff(word.reviewer, "--reviewer")
    run, found = _asked(at, ref)
    _check_person(run, found, reviewer, word)
    _check_override(run, found, word)
    body = {
        "request": ref,
        "run": run.ref,
        "question": found.asked.hash,
        "candidate": found.asked.body["candidate"],
        "answer": str(Answer.APPROVED if word.approve else Answer.REFUSED),
        "override": word.override,
        "reviewer": reviewer,
        "reason": word.reason.strip(),
        "account": operator(),
        "through": word.through,
    }
    key = at.ledger.log.next_key(f"{run.ref}/{APPROVAL}")
    at.ledger.record(APPROVAL, body, key=key, now=utc_now())
    stands = standing(at.ledger.log.entries(), run.ref) or found
    return {**as_record(at.ledger.request(ref)), "approval": as_told(run, stands)}


def _asked(at: Opened, ref: str) -> tuple[Run, Standing]:
    request = at.ledger.request(ref)
    waits = request.state is State.AWAITING_APPROVAL
    found = awaiting(at.ledger.log.entries(), request.run) if waits else None
    if found is None:
        onward = f"`lethe forget {ref}` goes on with it" if waits else f"see `lethe show {ref}`"
        state = "answered already" if waits else str(request.state)
        raise RequestDenied(
            f"request {ref}: is {state}, approve expected one that is awaiting_approval: {onward}"
        )
    return Run(at, str(request.run)), found


def _check_person(run: Run, found: Standing, reviewer: str, word: Word) -> None:
    if found.operator is None or same_staff(reviewer, found.operator):
        raise RequestDenied(
            f"--reviewer: got the operator who started {run.ref}, expected somebody else: nobody "
            "approves what he started himself"
        )
    if word.approve and any(same_staff(reviewer, other) for other in found.approvers):
        raise RequestDenied(
            f"--reviewer: {reviewer} has approved {run.ref} already, expected another person: "
            f"{len(found.approvers)} of {found.persons} are there"
        )


def _check_override(run: Run, found: Standing, word: Word) -> None:
    if word.approve and word.override != found.override:
        got, wanted = ("with", "without") if word.override else ("without", "with")
        raise UsageError(
            f"--override: {run.ref} was approved {got} it, expected {wanted}: "
            f"{'; '.join(found.asked.body['reasons'])}"
        )


def note_suspended(at: Opened, run: str, flow_run: str) -> None:
    """Log which flow run of a Prefect server waits for the answer; the same one only once."""
    body, key = {"run": run, "flow_run": flow_run}, f"{run}/{SUSPENDED}/{flow_run}"
    at.ledger.record(SUSPENDED, body, key=key, now=utc_now())


def waiting_with(at: Opened, flow_run: str) -> Run | None:
    """Give the run whose answer a flow run was suspended for, if it still waits for it."""
    entries = at.ledger.log.entries()
    told = (e.body for e in entries if e.event == SUSPENDED)
    runs = (str(body["run"]) for body in told if body["flow_run"] == flow_run)
    return next((Run(at, run) for run in runs if awaiting(entries, run)), None)


def suspended(at: Opened, run: str) -> str | None:
    """Give the flow run that waits for the answer, None if none was noted."""
    entries = at.ledger.log.entries()
    found = [e.body["flow_run"] for e in entries if e.event == SUSPENDED and e.body["run"] == run]
    return str(found[-1]) if found else None
