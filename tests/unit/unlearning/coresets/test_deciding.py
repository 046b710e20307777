"""When a part may stand for a forget set: never for what a person names, never by what shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from torch import nn

from benchmarks.coreset import tasks
from tests.unit import toys
from unlearning.coresets.deciding import Effects, decide, ratio_interval, require_classes
from unlearning.domain import Examples, Handed, Outcome
from unlearning.errors import UsageError
from unlearning.networks import Classifier

SEEDS = np.array([0.99, 1.0, 1.01, 1.0, 1.0])

CORE = Effects(
    core=0.98 * SEEDS,
    whole=SEEDS,
    rest_on_core=0.2 * SEEDS,
    whole_on_core=SEEDS,
    chance=np.linspace(0.0, 0.2, 20),
    spread=0.3,
)
"""What a core-set does: nearly all that the whole does, and the others do little to it."""


def outcome(*effects: Effects, core: int = 10, passes: float = 0.5) -> Outcome:
    named = {f"measure {k}": one for k, one in enumerate(effects)}
    return decide(named, Handed(of([2] * 100), of([0, 1]), 3), core=core, passes=passes)[0]


def test_a_core_set_is_one() -> None:
    assert outcome(CORE) is Outcome.PASSED


@pytest.mark.parametrize(
    "other",
    [
        {"core": 0.5 * SEEDS},
        {"rest_on_core": 0.9 * SEEDS},
        {"chance": np.linspace(0.5, 1.2, 20)},
        {"spread": 1.5},
    ],
    ids=["does half", "others do as much to it", "no better than chance", "k-centre is better"],
)
def test_one_demand_that_is_not_met_is_enough(other: dict[str, np.ndarray]) -> None:
    assert outcome(replace(CORE, **other)) is Outcome.FAILED


def test_every_measure_has_to_agree() -> None:
    assert outcome(CORE, replace(CORE, core=0.5 * SEEDS)) is Outcome.FAILED


def test_a_large_core_or_a_dear_search_is_none() -> None:
    assert outcome(CORE, core=11) is Outcome.FAILED
    assert outcome(CORE, passes=1.0) is Outcome.FAILED


def test_without_a_deep_measure_nothing_is_known() -> None:
    assert outcome() is Outcome.INCONCLUSIVE


def test_seeds_that_disagree_leave_it_open() -> None:
    unsure = replace(CORE, core=np.array([0.4, 1.4, 0.9, 1.3, 0.9]))
    assert outcome(unsure) is Outcome.INCONCLUSIVE


def test_no_effect_to_compare_with_leaves_it_open() -> None:
    nothing = np.array([-0.1, 0.1, 0.0, 0.05, -0.05])
    assert outcome(replace(CORE, whole=nothing)) is Outcome.INCONCLUSIVE


def test_the_ratio_of_equal_pairs_is_sure() -> None:
    found = ratio_interval(0.5 * SEEDS, SEEDS)
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5), abs=1e-6)


def test_the_ratio_holds_the_truth_as_often_as_it_says() -> None:
    """2,000 draws of five pairs with ratio .8: misses are 5 % +- what chance allows."""
    rng = np.random.default_rng(3)
    missed = 0
    for _ in range(2000):
        below = rng.normal(1.0, 0.15, 5)
        above = 0.8 * below + rng.normal(0.0, 0.1, 5)
        found = ratio_interval(above, below)
        missed += not found.low <= 0.8 <= found.high
    assert 0.035 < missed / 2000 < 0.065


@pytest.mark.parametrize("pairs", [np.ones(2), np.array([1.0, np.nan, 1.0])])
def test_too_few_pairs_or_no_numbers_say_nothing(pairs: np.ndarray) -> None:
    found = ratio_interval(pairs, np.ones(len(pairs)))
    assert np.isnan(found.value) and found.low == -np.inf and found.high == np.inf


def of(labels: list[int]) -> Examples:
    n, names = len(labels), np.array([f"e{k}" for k in range(len(labels))], dtype=np.str_)
    return Examples(np.zeros((n, 1, 2, 2), np.uint8), np.array(labels, np.int64), names, names)


def test_a_whole_class_may_be_shrunk_and_a_person_may_not() -> None:
    require_classes(Handed(of([2, 2]), of([0, 1]), 3))
    for person in (of([0]), of([2, 0]), of([])):
        with pytest.raises(UsageError, match="core-set"):
            require_classes(Handed(person, of([0, 1]), 3))


def test_a_persons_examples_are_refused_whatever_was_measured() -> None:
    person = Handed(of([0] * 100), of([0, 1]), 3)
    with pytest.raises(UsageError, match="100 of 100 examples of classes that stay"):
        decide({"measure": CORE}, person, core=10, passes=0.5)


def test_the_benchmark_goes_through_the_refusal() -> None:
    """Random examples are what people name: their row says so, a class's says what was measured."""
    network = Classifier(nn.Flatten(), toys.RECIPE)
    split = toys.split()
    person = tasks.Task("random 0", split, {}, network)
    assert tasks.said(person, {"measure": CORE}, 1, 0.5)[0] == tasks.REFUSED
    stay = ~np.isin(split.retain.labels, split.forget.labels)
    whole = replace(split, retain=split.retain.take(stay))
    said = tasks.said(tasks.Task("class", whole, {}, network), {"measure": CORE}, 1, 0.5)
    assert said[0] == Outcome.PASSED
