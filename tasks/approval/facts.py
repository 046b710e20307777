"""What the rule on approvals asks of a run, from its forget set and its attempts.

A run reads its own records, and `verify` those of the bundle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from systems.settings.approval import Facts, InClass, Summed
from tasks.running.records import measurements_of
from unlearning.judging.verdicts import decide_run, held_back
from unlearning.terms import TRAIN, Decision

LOSSES = {
    "accuracy_drop": "the measured loss",
    "predicted_drop": "the loss predicted for an honest retrain",
}


def facts_of(
    forget_set: Mapping[str, Any], attempts: Sequence[Mapping[str, Any]], *, limits_hold: bool
) -> Facts:
    """Give a run's facts. limits_hold: the second opinion on the last attempt agrees."""
    last = attempts[-1]
    outcomes = {verdict["gate"]: verdict["outcome"] for verdict in last["verdicts"]}
    decision = decide_run([a["decision"] for a in attempts], limits_hold=limits_hold)
    return Facts(
        whole_classes=forget_set["whole_classes"],
        forgets=forget_set[TRAIN],
        training_set=forget_set["training_set"],
        losses=_losses(last),
        released=decision is Decision.RELEASED,
        held_back=limits_hold and held_back(outcomes, exact=last["exact"]),
        in_class=in_class_of(forget_set),
        going_classes=going_of(forget_set),
        summed=summed_of(forget_set),
    )


def in_class_of(forget_set: Mapping[str, Any]) -> InClass | None:
    """Read the class in which most is forgotten; None where nobody was to be asked about one."""
    found = forget_set.get("in_class")
    return InClass(int(found["forgets"]), int(found["trains"])) if found else None


def going_of(forget_set: Mapping[str, Any]) -> int:
    """Read how many classes go though some of each stay; runs from before it was asked say none."""
    return int(forget_set.get("going_classes", 0))


def summed_of(forget_set: Mapping[str, Any]) -> Summed | None:
    """Read what is forgotten together with earlier releases; runs from before say nothing of it."""
    told = forget_set.get("since_approved", {})
    if not (spent := int(told.get("examples", 0))):
        return None
    found = forget_set.get("in_class_since")
    most = InClass(int(found["forgets"]), int(found["trains"])) if found else None
    return Summed(int(forget_set[TRAIN] + spent), int(told["training"]), most)


def _losses(attempt: Mapping[str, Any]) -> dict[str, float | None]:
    measured = measurements_of(attempt) if "measurements" in attempt else {}
    return {
        words: measured[name].value if name in measured else None for name, words in LOSSES.items()
    }
