"""Putting the question: whether policy sends a run to a person, and what his answer makes of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ledger import durable
from ledger.domain import State
from ledger.replay.approvals import PROPOSED, Standing, standing
from systems.settings.approval import Question
from tasks.approval.facts import facts_of
from tasks.approval.words import pages_of
from tasks.running.draw import write_pages
from tasks.running.run import Run
from tasks.unlearn import attempts_done, record_path
from unlearning.digests import sha256_file
from unlearning.errors import IntegrityError, RequestDenied
from unlearning.judging.verdicts import assurance, decide_run
from unlearning.terms import Decision


def ask_persons(run: Run) -> bool:
    """Put the question where the policy has one; say whether the run waits for an answer.

    Nothing is decided before, so nothing can be released or erased, and the workspace is free.
    """
    if run.done("decided") is not None or not attempts_done(run):
        return False
    if run.done(PROPOSED) is None:
        asked = _question(run)
        if asked is None:
            return False
        run.once(PROPOSED, lambda: _proposal(run, asked))
    found = _standing(run)
    if found.pending:
        _draw(run, found)
        run.move(State.AWAITING_APPROVAL)
    return found.pending


def answered(run: Run) -> Standing | None:
    """Give the question with its answers, None if none was put.

    RequestDenied while it waits; IntegrityError if the records are not those it was put on.
    """
    if run.done(PROPOSED) is None:
        return None
    found = _standing(run)
    if found.pending:
        raise RequestDenied(f"run {run.ref}: waits for approval, expected it before a decision")
    if digests_of(run) != found.asked.body["records"]:
        raise IntegrityError(
            f"run {run.ref}: its attempts' records are not those that approval was asked on; put "
            f"them back from your backup, or leave it: `lethe abort {run.ref} --reason TEXT`"
        )
    return found


def by_persons(found: Standing) -> str:
    """Give the decision that the answers make."""
    return str(Decision.RELEASED if found.granted else Decision.REFUSED)


def by_gates(run: Run) -> str:
    """Give the decision that the gates and the second opinion make."""
    tried = [record["decision"] for record in attempts_done(run)]
    return str(decide_run(tried, limits_hold=_limits_hold(run)))


def digests_of(run: Run) -> list[str]:
    """Give the SHA-256 of each attempt's record."""
    return [sha256_file(record_path(run, n)) for n in range(len(attempts_done(run)))]


def _limits_hold(run: Run) -> bool:
    return (run.done("expected-limits") or {}).get("success") is True


def _question(run: Run) -> Question | None:
    extracted, records = run.done("extracted") or {}, attempts_done(run)
    if "whole_classes" not in extracted:  # it began before anybody was asked
        return None
    facts = facts_of(extracted, records, limits_hold=_limits_hold(run))
    return run.policy().approval.question(facts)


def _proposal(run: Run, asked: Question) -> dict[str, Any]:
    return {
        "reasons": list(asked.reasons),
        "persons": asked.persons,
        "override": asked.override,
        "gates": by_gates(run),
        "candidate": attempts_done(run)[-1]["sha256"],
        "records": digests_of(run),
    }


def _standing(run: Run) -> Standing:
    found = standing(run.at.ledger.log.entries(), run.ref)
    if found is None:
        raise IntegrityError(f"run {run.ref}: the log has no question, expected one")
    return found


def _draw(run: Run, found: Standing) -> None:
    """Draw the pages that whoever answers reads; they are sealed, drawn anew, with the decision."""
    folder = pages_of(run)
    if (folder / "report.html").exists():
        return
    durable.make_folder(folder)
    waiting = {
        "decision": Decision.AWAITING,
        "assurance": assurance(Decision.AWAITING, exact=False),
        "approval": found.as_stated(),
    }
    write_pages(run, folder, waiting, datetime.fromisoformat(found.asked.at))
