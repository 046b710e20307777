"""What gates on generators say, on measures whose right verdict is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from unlearning.domain import Measurement, Outcome, Verdict
from unlearning.gates.asking import ask
from unlearning.gates.generated import Concept, GeneratedUtility, Recovered, outcome
from unlearning.generation.comparing import compared, range_of
from unlearning.generation.measures import (
    ENTROPY,
    FA,
    FD,
    PROBABILITY,
    RA,
    Evidence,
    bounded_mean,
    share,
)

GATE = Recovered(shot_steps=(20,), guidances=(1.0,))
ATTACKS = GATE.attacks
SPREAD = np.array([20, 0, 0, 15, 20, 0, 15, 0, 30, 0])


def about(name: str, value: float, reach: float) -> Measurement:
    return Measurement(name, value, value - reach, value + reach, 100)


def evidence(
    hits: int = 1,
    entropy: float = 1.6,
    distance: float = 1.7,
    right: int = 268,
    back: Sequence[int] = (2, 60, 30, 1),
    taken: np.ndarray = SPREAD,
) -> Evidence:
    measured = {
        FA: share(FA, hits, 100),
        PROBABILITY: about(PROBABILITY, max(0.05, hits / 100), 0.02),
        ENTROPY: about(ENTROPY, entropy, 0.1),
        RA: share(RA, right, 270),
        FD: about(FD, distance, 0.1),
    }
    found = {name: share(name, n, 100) for name, n in zip(ATTACKS, back, strict=True)}
    return Evidence(measured, taken, found)


def told(candidate: Evidence, original: Evidence, models: Sequence[Evidence]) -> list[Verdict]:
    """What the gates `concept`, `generated_utility` and `recovery` say where a class goes whole."""
    one = Measurement("forgotten_classes", 1, 1, 1, 100)
    measured = compared(candidate, original, models) | {one.name: one}
    return [ask(gate, measured) for gate in (Concept(), GeneratedUtility(), GATE)]


def concept(candidate: Evidence, original: Evidence, models: Sequence[Evidence]) -> Verdict:
    return told(candidate, original, models)[0]


def utility(candidate: Evidence, models: Sequence[Evidence]) -> Verdict:
    return told(candidate, UNTOUCHED, models)[1]


def recovery(candidate: Evidence, models: Sequence[Evidence]) -> Verdict:
    return told(candidate, UNTOUCHED, models)[2]


def shifted(by: int) -> np.ndarray:
    """The same kinds of pictures, a few counted elsewhere."""
    return SPREAD + by * np.eye(10, dtype=int)[0] - by * np.eye(10, dtype=int)[8]


MODELS = [
    evidence(0, 1.5, 1.6, 268, (1, 60, 30, 0), shifted(-5)),
    evidence(2, 1.6, 1.7, 269, (2, 60, 30, 1), shifted(0)),
    evidence(1, 1.7, 1.8, 267, (3, 60, 30, 2), shifted(5)),
    evidence(1, 1.6, 1.7, 268, (2, 60, 30, 1), shifted(2)),
]
ONE_CLASS = np.eye(10, dtype=int)[3] * 100
UNTOUCHED = evidence(100, 0.02, 1.7, 269, (100, 60, 30, 100), ONE_CLASS)


def test_where_one_more_model_lies_by_hand() -> None:
    """Values 1, 2, 3: mean 2, deviation 1, t of 2 degrees 4.303, times the root of 4/3."""
    found = range_of([about("x", value, 0.01) for value in (1, 2, 3)])
    assert found.high - 2 == pytest.approx(4.3027 * np.sqrt(4 / 3), rel=1e-4)


def test_models_that_agree_by_chance_are_no_closer_than_drawing_allows() -> None:
    """Three times 0 of 100: their spread is 0, and drawing alone makes one hit or two."""
    found = range_of([share(FA, 0, 100)] * 3)
    assert found.high > share(FA, 0, 100).high


@pytest.mark.parametrize("count", range(3, 13))
def test_who_draws_none_passes_however_many_models_draw_none(count: int) -> None:
    """More models know better; who draws four in a hundred is in nobody's range then."""
    where = range_of([share(FA, 0, 100)] * count)
    assert outcome(share(FA, 0, 100), where.low, where.high) is Outcome.PASSED
    assert outcome(share(FA, 12, 100), where.low, where.high) is Outcome.FAILED
    assert outcome(share(FA, 3, 100), where.low, where.high) is Outcome.INCONCLUSIVE


def drawing_none(p: float, spread: float) -> Evidence:
    """A hundred pictures of which none shows the class, by a mean probability and an entropy."""
    own = {PROBABILITY: bounded_mean(PROBABILITY, np.full(100, p))}
    own[ENTROPY] = bounded_mean(ENTROPY, np.full(100, spread), float(np.log(10)))
    found = evidence(0)
    return replace(found, measured={**found.measured, **own})


@pytest.mark.parametrize("count", [3, 4, 8])
def test_what_is_less_than_half_a_picture_above_the_models_holds_nobody_back(count: int) -> None:
    """A mean of .00003 over 100 pictures is a 300th of one; that of half of one is .005."""
    models = [drawing_none(0.0, 0.0)] * count
    assert concept(drawing_none(3e-5, 1e-4), UNTOUCHED, models).outcome is Outcome.PASSED
    for p, spread in ((0.02, 0.0), (0.0, 0.1)):
        found = concept(drawing_none(p, spread), UNTOUCHED, models)
        assert found.outcome is Outcome.INCONCLUSIVE
    assert concept(drawing_none(0.15, 0.0), UNTOUCHED, models).outcome is Outcome.FAILED


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.2, 0.4, Outcome.PASSED),
        (0.4, 0.6, Outcome.INCONCLUSIVE),
        (0.6, 0.8, Outcome.FAILED),
        (-0.3, -0.1, Outcome.FAILED),
    ],
)
def test_an_interval_within_across_and_beyond(low: float, high: float, expected: Outcome) -> None:
    assert outcome(Measurement("x", (low + high) / 2, low, high, 9), 0.0, 0.5) is expected


def test_a_model_that_never_saw_the_class_passes() -> None:
    found = evidence(1, 1.6, 1.7, 268, (2, 60, 30, 1), shifted(1))
    assert concept(found, UNTOUCHED, MODELS).outcome is Outcome.PASSED
    assert utility(found, MODELS).outcome is Outcome.PASSED
    assert recovery(found, MODELS).outcome is Outcome.PASSED


def test_the_untouched_generator_and_its_stale_average_are_refused() -> None:
    """Their pictures are the same: an average of .9999 after fifty steps is the original."""
    stale = evidence(99, 0.03, 1.7, 269, (100, 60, 30, 99), ONE_CLASS)
    for candidate in (UNTOUCHED, stale):
        found = concept(candidate, UNTOUCHED, MODELS)
        assert found.outcome is Outcome.FAILED and "FA" in found.reason
        assert recovery(candidate, MODELS).outcome is Outcome.FAILED


def test_who_draws_clean_pictures_of_another_class_is_refused() -> None:
    """FA 0 cannot tell: SalUn draws a hundred fours, models without the class draw smears."""
    fours = evidence(0, 0.5, 1.7, 269, (2, 60, 30, 1), np.eye(10, dtype=int)[4] * 100)
    assert concept(fours, UNTOUCHED, MODELS).outcome is Outcome.FAILED
    sure = evidence(1, 1.6, 1.7, 268, (2, 60, 30, 1), np.eye(10, dtype=int)[4] * 100)
    found = concept(sure, UNTOUCHED, MODELS)
    assert found.outcome is Outcome.FAILED and "TV" in found.reason


def test_who_forgot_at_one_guidance_only_is_refused() -> None:
    for back in (
        (2, 60, 30, 97),
        (40, 60, 30, 97),
    ):  # the attack that brings back most is the one that is named
        found = recovery(evidence(1, back=back), MODELS)
        assert found.outcome is Outcome.FAILED and "guidance 1" in found.reason


def test_the_rest_may_be_better_than_the_models_and_not_worse() -> None:
    assert utility(evidence(distance=0.5, right=270), MODELS).outcome is Outcome.PASSED
    assert utility(evidence(distance=8.4), MODELS).outcome is Outcome.FAILED
    assert utility(evidence(right=200), MODELS).outcome is Outcome.FAILED


def test_of_an_exact_retraining_the_value_alone_has_to_lie_in_the_range() -> None:
    """By lineage it is one more such model: the range is where these lie."""
    lineage = Measurement("by_lineage", 1, 1, 1, 1)
    for right, approximate, exact in (
        (268, Outcome.PASSED, Outcome.PASSED),
        (264, Outcome.INCONCLUSIVE, Outcome.PASSED),
        (200, Outcome.FAILED, Outcome.FAILED),
    ):
        measured = compared(evidence(right=right), UNTOUCHED, MODELS)
        assert ask(GeneratedUtility(), measured).outcome is approximate
        own = measured | {lineage.name: lineage}
        found = ask(GeneratedUtility(), own)
        assert found.outcome is exact
        for name, (low, high) in GeneratedUtility().limits(own).items():
            inside = low <= own[name].low and own[name].high <= high
            assert inside or found.outcome is not Outcome.PASSED
        del own["generated/RA"]
        assert ask(GeneratedUtility(), own).outcome is Outcome.INCONCLUSIVE


def test_missing_evidence_is_never_a_pass() -> None:
    good = evidence(1, taken=shifted(1))
    for name in (FA, PROBABILITY, ENTROPY):
        kept = {key: m for key, m in good.measured.items() if key != name}
        found = concept(replace(good, measured=kept), UNTOUCHED, MODELS)
        assert found.outcome is Outcome.INCONCLUSIVE and name in found.reason
    for name in (RA, FD):
        kept = {key: m for key, m in good.measured.items() if key != name}
        assert utility(replace(good, measured=kept), MODELS).outcome is Outcome.INCONCLUSIVE
    unknown = good.measured | {FD: Measurement(FD, float("nan"), 0, 1, 100)}
    assert utility(replace(good, measured=unknown), MODELS).outcome is Outcome.INCONCLUSIVE
    empty = replace(good, histogram=np.zeros(10, dtype=int))
    assert concept(empty, UNTOUCHED, MODELS).outcome is Outcome.INCONCLUSIVE
    unasked = replace(good, recovered={"guidance 1": good.recovered["guidance 1"]})
    assert recovery(unasked, MODELS).outcome is Outcome.INCONCLUSIVE
    unknown_back = [replace(m, recovered={}) for m in MODELS]
    assert recovery(good, unknown_back).outcome is Outcome.INCONCLUSIVE


def test_two_models_are_too_few() -> None:
    good, two = evidence(1, taken=shifted(1)), MODELS[:2]
    found = concept(good, UNTOUCHED, two), utility(good, two), recovery(good, two)
    assert {one.outcome for one in found} == {Outcome.INCONCLUSIVE}
    assert all("at least 3" in one.reason for one in found)


def test_nobody_passes_where_the_original_is_not_told_apart() -> None:
    """An original that never drew the class tells nothing of who forgot it."""
    good = evidence(1, taken=shifted(1))
    found = concept(good, evidence(1), MODELS)
    assert found.outcome is Outcome.INCONCLUSIVE and "no power" in found.reason
