"""How far what is forgotten lies in one class: counted, and named where nothing is logged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace

from systems.data import resolving
from systems.data.loading import classes
from systems.settings.approval import Approval, InClass
from systems.settings.workspace import Workspace


def in_one_class(
    ws: Workspace, rules: Approval, forgotten: Collection[str], *, named: bool = False
) -> InClass | None:
    """Give the class that most is forgotten of for its size, among those that the rule asks about.

    None where the rule asks about none. forgotten: training examples. named: with the class's name,
    which may tell who somebody is, so it is not for the log.
    """
    if rules.skew is None or len(forgotten) < rules.skew.examples:
        return None
    known, gone, ids = Counter[int](), Counter[int](), frozenset(forgotten)
    for example, label in resolving.trained(ws):
        known[label] += 1
        gone[label] += example in ids
    found = {
        label: InClass(count, known[label])
        for label, count in gone.items()
        if count >= rules.skew.examples
    }
    if not found:
        return None
    sizes, excess = (gone.total(), known.total()), rules.skew.excess
    label = max(found, key=lambda one: (excess(found[one], *sizes), -one))
    return replace(found[label], name=classes(ws)[label]) if named else found[label]
