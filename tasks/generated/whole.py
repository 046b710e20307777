"""Which requests a generator may be made to forget approximately: one class that goes whole."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from systems.data import reading
from systems.data.columns import EXAMPLE, LABEL, SPLIT
from systems.settings.policy import Policy
from systems.settings.workspace import Workspace
from tasks.running.opened import Opened
from unlearning.domain import TRAIN
from unlearning.gates.generated import Concept

ONLY_A_CLASS = (
    "a generator is made to forget approximately one class that goes whole, and nothing else: what "
    "it draws tells nothing of single pictures, so that exact retraining alone is tried"
)
LINEAGE = "Exact retraining, which lineage proves, can be released without it"
UNTOUCHED = "no training example is touched: nothing has to be unlearned or decided, only erased"


def why_only_exact(at: Opened, forgotten: Collection[str]) -> str | None:
    """Say why only exact methods may serve these training examples; None if any may."""
    if at.params.generator is None or not forgotten or goes_whole(at.ws, frozenset(forgotten)):
        return None
    return ONLY_A_CLASS


def goes_whole(ws: Workspace, forgotten: frozenset[str]) -> bool:
    """Say whether these training examples are one class, all of it."""
    table = reading.read_table(ws, [LABEL, SPLIT]).select([EXAMPLE, LABEL, SPLIT])
    rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
    train = [(example, label) for example, label, split in rows if split == TRAIN]
    labels = {label for example, label in train if example in forgotten}
    return len(labels) == 1 and {e for e, label in train if label in labels} == forgotten


def foreseen(at: Opened, rules: Policy, forgotten: Collection[str]) -> dict[str, Any]:
    """Say whether a run on a generator could decide, and why; nothing is simulated."""
    if not forgotten:
        return {"decidable": False, "why": UNTOUCHED, "power": None}
    if why := why_only_exact(at, forgotten):
        return {"decidable": False, "why": f"{why}. {LINEAGE}", "power": None}
    count = rules.gates[Concept.name].get("models", Concept().models)
    why = (
        f"one class goes whole: what is drawn of it is held against {count} models that are "
        "trained without it for this request"
    )
    return {"decidable": True, "why": why, "power": None}
