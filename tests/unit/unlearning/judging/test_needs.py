"""What gates need before anything is measured, by numbers that their limits give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from unlearning.errors import PolicyError
from unlearning.judging.needs import loosest_limit, require_answers, require_shadows, shadows_needed
from unlearning.judging.verdicts import gates_of

LIMIT = {"examples": 100, "holdout": 250, "auc": 0.60, "tail": 0.15, "fpr": 0.05}
STRICTER = {"examples": 500, "holdout": 2000, "auc": 0.55, "tail": 0.05, "fpr": 0.01}


def gates(smallest_bank: int = 8, classes: int = 2, **more: Mapping[str, Any]) -> Any:
    forgetting = {"smallest_bank": smallest_bank, "limits_by_size": [STRICTER, LIMIT]}
    given = {"integrity": {"classes": classes}, "utility": {}, "forgetting": forgetting}
    return gates_of({**given, **more})


@pytest.mark.parametrize(
    ("found", "needed"),
    [
        (gates(smallest_bank=8), 8),
        (gates(smallest_bank=9), 10),  # shadows come in pairs
        (gates(smallest_bank=1), 6),  # one of three that never saw an example, by the other two
        (gates(smallest_bank=8, bank={"smallest": 32}), 32),
        (gates(smallest_bank=64, bank={"smallest": 32}), 64),
    ],
)
def test_the_smallest_bank_is_what_the_gate_asking_most_needs(found: Any, needed: int) -> None:
    assert shadows_needed(found) == needed
    require_shadows(found, needed)
    with pytest.raises(PolicyError, match=f"got {needed - 2}, expected at least {needed}"):
        require_shadows(found, needed - 2)


@pytest.mark.parametrize(
    ("asked", "classes", "tests", "possible"),
    [(2, 2, 2, True), (3, 2, 10, False), (2, 10, 1, False), (10, 10, 365, True)],
)
def test_nobody_answers_more_classes_than_there_are_or_than_are_tested(
    asked: int, classes: int, tests: int, possible: bool
) -> None:
    if possible:
        require_answers(gates(classes=asked), classes=classes, tests=tests)
        return
    with pytest.raises(PolicyError, match=f"got {asked}, expected at most .* {classes} classes"):
        require_answers(gates(classes=asked), classes=classes, tests=tests)


def test_the_loosest_limit_is_the_one_for_the_fewest_examples() -> None:
    assert loosest_limit(gates()).holdout == 250
