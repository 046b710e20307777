"""Which models are trained without a forget set, to compare candidates with."""

from __future__ import annotations

from tasks.references import APART, CLASS_OUT, wanted
from tests.unit.unlearning.gates.test_gates import FORGETTING
from unlearning.gates.forgetting import Forgetting
from unlearning.gates.geometry import Geometry

LIMITS = FORGETTING.limits_by_size
GATES = (Forgetting(limits_by_size=LIMITS, references=8), Geometry(models=4))


def test_a_class_and_a_group_ask_for_models_of_their_own() -> None:
    assert wanted(GATES, class_goes=True, together=True) == {CLASS_OUT: 4, APART: 8}
    assert wanted(GATES, class_goes=False, together=True) == {APART: 8}
    assert wanted(GATES, class_goes=True, together=False) == {CLASS_OUT: 4}


def test_people_at_random_ask_for_none_and_so_do_gates_that_compare_with_none() -> None:
    assert wanted(GATES, class_goes=False, together=False) == {}
    plain = [Forgetting(limits_by_size=LIMITS)]
    assert wanted(plain, class_goes=True, together=True) == {}
