"""Approvals: what policy sent to a person, who said what, and whether a release had their word.

The question is an entry of the run's journal, each answer an entry of the log that names the
question by its hash. All of it comes before the decision, so the sealed evidence carries it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ledger.chain import Entry
from ledger.domain import same_staff
from ledger.replay.drift import Line

PROPOSED = "proposed"
"""Step of a run: what it would do is sent to a person. Its entry says why, and on which records."""

APPROVAL = "approval"
"""Event of the log: a person answered."""

SUSPENDED = "suspended"
"""Event of the log: a flow run of a Prefect server waits for the answer."""


class Answer(StrEnum):
    """What a person says."""

    APPROVED = "approved"
    REFUSED = "refused"


@dataclass(frozen=True)
class Said:
    """One person's answer. override: it is meant to release against a gate. at: ISO 8601, UTC."""

    reviewer: str
    answer: str
    override: bool
    reason: str
    at: str
    seq: int


@dataclass(frozen=True)
class Standing:
    """Where a question stands. persons: how many must approve. operator: who started the run."""

    asked: Entry
    operator: str | None
    said: tuple[Said, ...]

    @property
    def persons(self) -> int:
        """How many must approve."""
        return int(self.asked.body["persons"])

    @property
    def override(self) -> bool:
        """Whether to approve is to release against a gate."""
        return bool(self.asked.body["override"])

    @property
    def approvers(self) -> tuple[str, ...]:
        """Who approved and counts: each once, and nobody who started the run."""
        found: list[str] = []
        for one in self.said:
            known = [*found, self.operator or one.reviewer]  # an unknown operator might be anybody
            counts = one.answer == Answer.APPROVED and (one.override or not self.override)
            if counts and not any(same_staff(one.reviewer, other) for other in known):
                found.append(one.reviewer)
        return tuple(found)

    @property
    def refused(self) -> bool:
        """Whether anybody refused."""
        return any(one.answer == Answer.REFUSED for one in self.said)

    @property
    def granted(self) -> bool:
        """Whether enough approved and nobody refused."""
        return not self.refused and len(self.approvers) >= self.persons

    @property
    def pending(self) -> bool:
        """Whether somebody has still to answer."""
        return not (self.refused or self.granted)

    def as_stated(self) -> dict[str, Any]:
        """Give question and answers as evidence states them."""
        answers = [dict(vars(one)) for one in self.said]
        return {
            "question": self.asked.hash,
            "reasons": self.asked.body["reasons"],
            "persons": self.persons,
            "override": self.override,
            "operator": self.operator,
            "answers": answers,
        }


def standing(entries: Sequence[Entry], run: object) -> Standing | None:
    """Say how a run's question stands at the end of these entries; None if none was put."""
    asked = _step(entries, run, PROPOSED)
    if asked is None:
        return None
    begun = _step(entries, run, "begun")
    operator = begun.body.get("operator") if begun else None
    said = tuple(
        Said(
            str(e.body.get("reviewer")),
            str(e.body.get("answer")),
            e.body.get("override") is True,
            str(e.body.get("reason")),
            e.at,
            e.seq,
        )
        for e in entries
        if e.event == APPROVAL and e.body.get("question") == asked.hash and e.seq > asked.seq
    )
    return Standing(asked, operator, said)


def awaiting(entries: Sequence[Entry], run: object) -> Standing | None:
    """Give the question that a run waits on; None if it waits for nobody."""
    found = standing(entries, run)
    over = any(_step(entries, run, step) for step in ("decided", "aborted"))
    return found if found is not None and found.pending and not over else None


def refused_by(entries: Sequence[Entry], run: object) -> Said | None:
    """Give the word by which a person refused a run's release; None if nobody did."""
    found = standing(entries, run)
    return next((s for s in found.said if s.answer == Answer.REFUSED), None) if found else None


def objections(entries: Sequence[Entry], run: object) -> Iterator[str]:
    """Why a run's decision does not follow from its question and the answers before it."""
    decided = _step(entries, run, "decided")
    if decided is None:
        return
    found = standing(entries[: decided.seq - entries[0].seq], run)
    if found is None:
        return
    made = decided.body
    if made.get("approval") != found.as_stated():
        yield f"approval: {run}: the decision does not state the answers that the log has"
    released = made.get("decision") == "released"
    if released and not found.granted:
        yield (
            f"approval: {run} was released with {len(found.approvers)} of {found.persons} "
            f"approvals{' and a refusal' if found.refused else ''} in the log before it"
        )
    if released and made.get("candidate") != found.asked.body.get("candidate"):
        yield f"approval: {run}: what was released is not what was approved"
    if made.get("records") != found.asked.body.get("records"):
        yield f"approval: {run}: was decided on other records than the question was put on"


def unapproved(entries: Sequence[Entry]) -> Iterator[str]:
    """Releases that were sent to a person and lack his word, one line each; the whole log."""
    for entry in entries:
        run, _, step = entry.key.rpartition("/")
        if entry.event == "step" and step == PROPOSED:
            yield from objections(entries, run)


def miscounted(line: Line, run: str, least: int | None) -> Iterator[str]:
    """Where a run adds up otherwise than the log what was forgotten since somebody approved.

    least: examples of one class from which on the run's policy asks about it, None if it never
    does. Runs from before it was added up say nothing of it.
    """
    told = line.body(f"{run}/extracted")
    own = told.get("of_classes")
    if own is None:
        return
    past, counts = line.forgotten(run), told.get("since_approved", {}).get("examples")
    if counts != past.examples:
        yield (
            f"approval: {run} counts {counts} examples as forgotten since a person last approved, "
            f"the log has {past.examples}"
        )
    if least is None:
        return
    counted = {token: int(n) + past.classes[token] for token, n in own.items()}
    named = told.get("in_class_since")
    if named is None:
        right = not past.examples or max(counted.values(), default=0) < least
    else:
        right = named["forgets"] == counted.get(named["class"]) and named["forgets"] >= least
    if not right or sum(own.values()) != told["train"]:
        yield f"approval: {run} adds up by class otherwise than the log what was forgotten before"


def _step(entries: Sequence[Entry], run: object, step: str) -> Entry | None:
    return next((e for e in entries if e.key == f"{run}/{step}"), None)
