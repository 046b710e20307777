"""The gate of a class forgotten whole, and what it reads, by numbers worked by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from tests.unit.toys import measurement, outputs
from tests.unit.unlearning.audits.test_golden_audits import geometry
from unlearning.audits.class_geometry import MiaNn, whole
from unlearning.domain import Decision, Group, Measurement, Outcome, Outputs, Verdict
from unlearning.errors import PolicyError
from unlearning.gates.geometry import Geometry
from unlearning.judging.trial import exempt_classes
from unlearning.judging.verdicts import decide, judge

GATE = Geometry(models=3, tolerance=0.10)
PASSED, FAILED, OPEN = Outcome.PASSED, Outcome.FAILED, Outcome.INCONCLUSIVE


def measured(
    size: tuple[float, float] = (0.03, 0.02),
    far: tuple[float, float] = (0.20, 0.02),
    null: tuple[float, float] = (0.20, 0.02),
) -> dict[str, Measurement]:
    """Give a candidate's numbers as (value, reach), one class forgotten and three models."""
    found = [
        measurement("forgotten_classes", 1),
        measurement("class_out_models", 3),
        measurement("mia_nn", *size),
        measurement("class_tv", *far),
        measurement("class_tv_null", *null),
    ]
    return {m.name: m for m in found}


def verdict(found: Mapping[str, Measurement], gate: Geometry = GATE) -> Verdict:
    (said,) = judge(found, [gate])
    return said


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((0.03, 0.02), PASSED),  # up to .05
        ((0.09, 0.02), OPEN),  # .07 to .11
        ((0.13, 0.02), FAILED),  # from .11
        ((0.10, 0.30), OPEN),  # as wide as anything
    ],
)
def test_the_share_of_the_nearest_class_decides_with_its_whole_interval(
    size: tuple[float, float], expected: Outcome
) -> None:
    assert verdict(measured(size)).outcome is expected


@pytest.mark.parametrize(
    ("far", "null", "expected"),
    [
        # Allowed: .20 - .02 + .10 = .28. Failed above .20 + .02 + .10 = .32.
        ((0.25, 0.02), (0.20, 0.02), PASSED),
        ((0.27, 0.02), (0.20, 0.02), OPEN),
        ((0.33, 0.02), (0.20, 0.02), OPEN),
        ((0.35, 0.02), (0.20, 0.02), FAILED),
        # What class-out models differ by must be known as well: allowed .20 - .08 + .10 = .22.
        ((0.21, 0.02), (0.20, 0.08), OPEN),
        # Nearer to each of them than they are to one another is no trace of the class.
        ((0.05, 0.02), (0.20, 0.02), PASSED),
    ],
)
def test_the_whole_output_vector_may_differ_as_class_out_models_do(
    far: tuple[float, float], null: tuple[float, float], expected: Outcome
) -> None:
    found = measured(far=far, null=null)
    assert verdict(found).outcome is expected
    if expected is PASSED:
        assert GATE.limits(found)["class_tv"][1] == pytest.approx(null[0] - null[1] + 0.10)


def test_it_does_not_apply_where_no_class_is_forgotten_whole() -> None:
    found = {"forgotten_classes": measurement("forgotten_classes", 0)}
    said = verdict(found)
    assert (said.outcome, said.reason) == (PASSED, "does not apply: no class is forgotten whole")
    assert GATE.limits(found) == {}


@pytest.mark.parametrize("name", measured())
def test_without_any_of_its_numbers_it_never_passes(name: str) -> None:
    found = measured()
    assert verdict({k: m for k, m in found.items() if k != name}).outcome is OPEN
    for bad in (math.nan, math.inf):
        for end in ("value", "low", "high"):
            change: dict[str, Any] = {end: bad}
            less = {**found, name: replace(found[name], **change)}
            assert verdict(less).outcome is OPEN


def test_fewer_models_than_the_policy_asks_for_decide_nothing() -> None:
    assert verdict(measured(), Geometry(models=4)).outcome is OPEN
    assert "3 class-out models, at least 4" in verdict(measured(), Geometry(models=4)).reason


@pytest.mark.parametrize("settings", [{"models": 2}, {"tolerance": 0.0}, {"tolerance": 1.0}])
def test_settings_that_say_nothing_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(PolicyError, match="at least 3 models"):
        Geometry(**settings)


def test_lineage_excuses_an_undecided_geometry_and_never_a_failed_one() -> None:
    for outcome, exact in ((OPEN, Decision.RELEASED), (FAILED, Decision.REFUSED)):
        said = [Verdict("utility", PASSED, ""), Verdict("geometry", outcome, "")]
        assert decide(said, exact=True) is exact
        assert decide(said, exact=False) is not Decision.RELEASED


def references(count: int) -> list[Outputs]:
    rng = np.random.default_rng(4)
    return [geometry(rng, 0) for _ in range(count)]


def found(candidate: Outputs, others: list[Outputs]) -> dict[str, Measurement]:
    return {m.name: m for m in whole(candidate, others, exempt_classes(candidate))}


def test_a_candidate_like_retrained_models_passes_and_another_fails() -> None:
    """Class 3 goes where class-out models send it, to 0, or to 1."""
    rng, others = np.random.default_rng(5), references(4)
    gate = Geometry(models=4)
    same = found(geometry(rng, 0), others)
    assert same["forgotten_classes"].value == 1 and same["class_out_models"].value == 4
    assert verdict(same, gate).outcome is PASSED
    assert verdict(found(geometry(rng, 1), others), gate).outcome is FAILED


def test_too_few_models_are_counted_and_nothing_else_is_measured() -> None:
    candidate, *others = references(3)
    assert list(found(candidate, others)) == ["forgotten_classes", "class_out_models"]
    assert verdict(found(candidate, others)).outcome is OPEN


def test_where_no_class_is_forgotten_whole_the_count_stands_on_the_forget_set() -> None:
    """Great Expectations asks that a required number has examples behind it: else people's exact
    retraining is refused, as once was seen."""
    candidate = geometry(np.random.default_rng(5), 0)
    some = candidate.groups.copy()
    some[np.flatnonzero(candidate.of(Group.FORGET))[0]] = Group.RETAIN
    kept = Outputs(candidate.logits, candidate.labels, some, candidate.subjects)
    counted = found(kept, [])["forgotten_classes"]
    assert (counted.value, counted.n) == (0, int(kept.of(Group.FORGET).sum()))
    assert counted.n >= 1


def test_intervals_cover_the_choice_of_test_examples() -> None:
    """All class-out models agree on 60 examples of the class: only these limit what is known.

    Reach t(59) / 60, since at least one disagreement's variance is assumed.
    """
    (one, *_), candidate = references(1), geometry(np.random.default_rng(6), 1)
    size = found(candidate, [one] * 3)["mia_nn"]
    assert size.n == 60
    assert size.high - size.value == pytest.approx(stats.t.ppf(0.975, 59) / 60, rel=1e-6)


def several(rng: np.random.Generator, kept: tuple[int, ...] = (), tests: int = 40) -> Outputs:
    """Of ten classes the first five go, to class 9, but for those that are kept whole."""
    labels = np.tile(np.arange(10), 1 + tests)
    looks = np.where((labels < 5) & ~np.isin(labels, kept), 9, labels)
    logits = 6 * np.eye(10)[looks] + rng.normal(0, 0.3, (len(labels), 10))
    trained = np.where(labels < 5, Group.FORGET, Group.RETAIN)
    return outputs(logits, labels, list(np.where(np.arange(len(labels)) < 10, trained, Group.TEST)))


def of_five(candidate: Outputs, others: list[Outputs]) -> dict[str, Measurement]:
    return {m.name: m for m in whole(candidate, others, np.arange(5))}


def test_of_five_classes_that_go_one_that_is_kept_whole_is_not_averaged_away() -> None:
    """In the average over five its total variation of nearly 1 was a fifth, which is allowed."""
    rng = np.random.default_rng(1)
    others, gate = [several(rng) for _ in range(3)], Geometry()
    assert verdict(of_five(several(rng), others), gate).outcome is PASSED
    said = verdict(of_five(several(rng, kept=(3,)), others), gate)
    assert said.outcome is FAILED and said.reason.startswith("class 3: ")


def test_a_class_without_test_examples_is_not_vouched_for_by_another() -> None:
    rng = np.random.default_rng(1)
    everything = [several(rng, kept) for kept in ((), (), (), (), (3,))]
    kept = ~(everything[0].of(Group.TEST) & (everything[0].labels == 3))
    *others, candidate = (found.take(kept) for found in everything)
    said = verdict(of_five(candidate, others), Geometry())
    assert said.outcome is OPEN and "4 of 5 classes that go were measured" in said.reason
    known = of_five(several(rng, (1,)).take(kept), others)
    assert verdict(known, Geometry()).outcome is FAILED  # what was measured refuses all the same


@pytest.mark.parametrize(("goes_to", "expected"), [(1, PASSED), (0, FAILED)])
def test_where_one_class_is_left_what_goes_is_asked_about(goes_to: int, expected: Outcome) -> None:
    """Of two: no machine can tell one class from no other, and judging ended with its error."""

    def answers(goes_to: int) -> Outputs:
        labels = np.tile([0, 1], 100)
        logits = 6 * np.eye(2)[np.where(labels == 0, goes_to, labels)] + rng.normal(
            0, 0.3, (200, 2)
        )
        trained = np.where(labels == 0, Group.FORGET, Group.RETAIN)
        return outputs(logits, labels, list(np.where(np.arange(200) < 20, trained, Group.TEST)))

    rng = np.random.default_rng(2)
    others = [answers(1) for _ in range(3)]
    assert verdict(found(answers(goes_to), others), Geometry()).outcome is expected


def test_a_rare_class_that_is_not_drawn_has_its_machine(rng: np.random.Generator) -> None:
    """One test example of class 2, and 20 drawn of 161: its machine had none of its own."""
    one = geometry(rng, 0)
    rare = np.flatnonzero(one.of(Group.TEST) & (one.labels == 2))[1:]
    one = one.take(~np.isin(np.arange(len(one.labels)), rare))
    measured = MiaNn(examples=20).measure([one], [one] * 3, np.random.default_rng(0))
    assert "mia_nn/2" in {m.name for m in measured}
