"""A few examples do not tell an imitation that was made elsewhere from a retrained network."""

from __future__ import annotations

import pytest

from unlearning.gates.asking import ask
from unlearning.gates.elsewhere import Elsewhere
from unlearning.terms import Measurement, Outcome

GATE = Elsewhere(examples=500)


def measured(**counts: int) -> dict[str, Measurement]:
    named = {name.replace("__", "/"): n for name, n in counts.items()}
    return {name: Measurement(name, 0.5, 0.5, 0.5, n) for name, n in named.items()}


@pytest.mark.parametrize(("examples", "outcome"), [(499, "INCONCLUSIVE"), (500, "PASSED")])
def test_it_decides_from_so_many_examples_on(examples: int, outcome: str) -> None:
    said = ask(GATE, measured(forget_auc=examples))
    assert said.outcome == outcome and f"judged by {examples} examples" in said.reason


def test_each_part_has_as_many() -> None:
    parts = {"part__0": 950, "part__1": 50, "part__1__refitted": 50, "part_strangers__0": 3}
    said = ask(GATE, measured(forget_auc=1000, **parts))
    assert said.outcome is Outcome.INCONCLUSIVE and "by 50 examples" in said.reason


def test_it_never_refuses_and_lacks_nothing_but_a_count() -> None:
    assert ask(GATE, {}).outcome is Outcome.INCONCLUSIVE
    assert GATE.limits(measured(forget_auc=10)) == {}
