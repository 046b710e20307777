"""A question in plain words: what is asked, why, where the evidence is, how it is answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ledger.domain import DeletionRequest, State
from ledger.replay.approvals import Standing, awaiting, refused_by
from ledger.requests import Ledger
from tasks.running.run import Run

WAITS = str(State.AWAITING_APPROVAL)
"""What a run that waits for a person answers in place of a decision."""

PAGES = "report"
"""Folder of a waiting run's pages, in the run's own."""


def pages_of(run: Run) -> Path:
    """Where the report of a run that waits lies; it goes with the run's folder."""
    return run.folder / PAGES


def question_words(run: Run, found: Standing) -> str:
    """Put the question in words."""
    flag = " --override" if found.override else ""
    many = "two persons, neither of them" if found.persons > 1 else "a person who is not"
    return (
        f"May the candidate of {run.ref} serve, and the examples of {', '.join(run.requests)} be "
        f"erased for good? Asked because {'; '.join(found.asked.body['reasons'])}. The evidence: "
        f"{pages_of(run) / 'report.html'}. It takes {many} the operator {found.operator}: `lethe "
        f"approve {run.requests[0]} --reviewer ROLE --reason TEXT{flag}`; no: --refuse"
    )


def as_told(run: Run, found: Standing) -> dict[str, Any]:
    """Tell a question as the command line prints it."""
    return {
        "question": question_words(run, found),
        "reasons": list(found.asked.body["reasons"]),
        "persons": found.persons,
        "override": found.override,
        "given": list(found.approvers),
        "refused": found.refused,
    }


def told(run: Run) -> dict[str, Any]:
    """Tell what a waiting run asks, and where its evidence lies."""
    found = awaiting(run.at.ledger.log.entries(), run.ref)
    return {
        "evidence": str(pages_of(run)),
        "approval": None if found is None else as_told(run, found),
    }


def because(run: Run, decision: str) -> str:
    """Say why a run released nothing: its decision, and whose it was."""
    said = refused_by(run.at.ledger.log.entries(), run.ref)
    return f"{decision} by {said.reviewer}: {said.reason}" if said else decision


def waits_for(ledger: Ledger, request: DeletionRequest) -> str | None:
    """Say whom a request waits for; None for one that waits for nobody."""
    if request.state is not State.AWAITING_APPROVAL:
        return None
    found = awaiting(ledger.log.entries(), request.run)
    if found is None:
        return "answered: `lethe forget` goes on with it"
    given = f", given by {', '.join(found.approvers)}" if found.approvers else ""
    return f"{len(found.approvers)} of {found.persons} approvals{given}; not by {found.operator}"
