"""A bundle's approval put again: what its policy asks, and what the log's answers make of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ledger.replay.approvals import PROPOSED, standing
from ledger.replay.statements import Journal
from systems.settings.approval import Approval, Question
from systems.settings.policy import Policy
from tasks.approval.facts import facts_of
from unlearning.terms import Decision


def question_of(statement: Mapping[str, Any], rules: Policy) -> Question | None:
    """Give what the policy asks persons about what a bundle states; None if it asks nobody.

    KeyError for a statement that does not tell what such a policy asks of it.
    """
    if rules.approval == Approval() or not statement["attempts"]:
        return None
    hold = (statement["limit_expectations"] or {}).get("success") is True
    facts = facts_of(statement["forget_set"], statement["attempts"], limits_hold=hold)
    return rules.approval.question(facts)


def misasked(asked: Question | None, journal: Journal) -> Iterator[str]:
    """Where the log's question is not the policy's."""
    found = journal.find(PROPOSED)
    if asked is None or found is None:
        if asked is not None:
            yield f"approval: nobody was asked, the policy asks because {asked.reasons[0]}"
        if found is not None:
            yield "approval: was asked for, the policy asks nobody"
        return
    put = (found.body.get("reasons"), found.body.get("persons"), found.body.get("override"))
    if put != (list(asked.reasons), asked.persons, asked.override):
        yield f"approval: was not asked as the policy does: {'; '.join(asked.reasons)}"


def answer_to(journal: Journal) -> Decision:
    """Give the decision that the answers before it make: without enough of them, no release."""
    decided = journal.find("decided")
    before = [e for e in journal.entries if decided is not None and e.seq < decided.seq]
    found = standing(before, journal.run)
    return Decision.RELEASED if found is not None and found.granted else Decision.REFUSED
