"""Where one more model lies that saw nothing of a forget set, half of it, or all."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from scipy import stats

from unlearning.attacks.recalibrated import LiraRecalibrated
from unlearning.bank.as_one import Scored, Spot, even, halfway, odds, scored, spot
from unlearning.bank.shadows import draw_halves
from unlearning.domain import FloatArray, Group, IntArray, Outputs, ShadowOutputs
from unlearning.statistics.intervals import Interval

ONE = np.zeros(2, dtype=np.int64)


def one_person(*means: float, seen: int) -> list[Scored]:
    """Shadows with these mean scores of a person's two pictures; the last ones saw them."""
    saw = np.arange(len(means)) >= len(means) - seen
    return [
        Scored(np.array([m - 1, m + 1]), np.full(2, s)) for m, s in zip(means, saw, strict=True)
    ]


def test_of_one_person_each_shadow_saw_all_or_nothing() -> None:
    """Unseen .0, .2, .4: mean .2, variance .04; seen 1, 2: mean 1.5, variance .5."""
    found = one_person(0.0, 0.2, 0.4, 1.0, 2.0, seen=2)
    unseen, seen = (spot(found, ONE, seen=of) for of in (False, True))
    assert (unseen.mean, unseen.variance, unseen.models) == pytest.approx((0.2, 0.04, 3))
    assert (seen.mean, seen.variance, seen.models) == pytest.approx((1.5, 0.5, 2))
    half = halfway(unseen, seen)
    assert (half.mean, half.variance, half.models) == pytest.approx((0.85, 0.27, 2))


@pytest.mark.parametrize(
    ("low", "half", "expected"),
    [
        ((0.0, 0.3), (2.0, 0.3), 1.0),
        ((0.0, 0.3), (2.0, 0.9), 0.5),  # .5 / .3 from the one, 1.5 / .9 from the other
        ((1.0, 0.0), (2.0, 0.0), 1.5),
    ],
)
def test_between_two_ranges_lies_a_score_as_far_from_either(
    low: tuple[float, float], half: tuple[float, float], expected: float
) -> None:
    ranges = (Interval(at, at - reach, at + reach) for at, reach in (low, half))
    assert even(*ranges) == pytest.approx(expected)


def test_the_interval_is_students_for_one_more() -> None:
    """4.303 at two degrees of freedom, times .2, times the root of 1 + 1 / 3."""
    found = Spot(0.2, 0.04, 3).interval()
    assert found.high - 0.2 == pytest.approx(4.3027 * 0.2 * np.sqrt(4 / 3), rel=1e-4)
    assert found.value - found.low == pytest.approx(found.high - found.value)


def test_of_models_that_nobody_saw_nothing_is_known() -> None:
    for found in ([], one_person(0.1, seen=0), one_person(np.nan, 0.1, 0.2, seen=0)):
        nothing = spot(found, ONE, seen=False).interval()
        assert np.isnan(nothing.value) and (nothing.low, nothing.high) == (0.0, 1.0)


def bank(
    rng: np.random.Generator, people: int, each: int, between: float
) -> tuple[list[Scored], IntArray, FloatArray]:
    """Scores of 32 shadows and of one more model that saw nobody; who was seen has 1 more.

    Shadows see half of ten times as many people. between: deviation of what a model adds to all.
    """
    owners = np.repeat(np.arange(people), each)
    halves = draw_halves(np.arange(10 * people).astype(np.str_), 32, rng)[:, owners]
    found = [Scored(_drawn(rng, len(owners), between) + saw, saw) for saw in halves]
    return found, owners, _drawn(rng, len(owners), between)


def _drawn(rng: np.random.Generator, n: int, between: float) -> FloatArray:
    return between * rng.normal() + rng.normal(size=n)


@pytest.mark.parametrize(("people", "each"), [(1, 12), (4, 12), (50, 1), (25, 12)])
@pytest.mark.parametrize("between", [0.0, 0.2])
def test_one_more_model_lies_in_its_range_in_19_of_20_cases(
    people: int, each: int, between: float
) -> None:
    """600 banks: the standard error is .9 %."""
    rng, inside = np.random.default_rng(11), []
    for _ in range(600):
        found, owners, one_more = bank(rng, people, each, between)
        around = spot(found, owners, seen=False).interval()
        inside.append(around.low <= one_more.mean() <= around.high)
    assert 0.92 < np.mean(inside) < 0.985


def test_the_odds_tell_who_saw_nothing_from_who_saw_all() -> None:
    """Half-way between two equal ranges nothing is likelier; by hand at the first one's middle."""
    unseen, seen = Interval(0.0, -0.2, 0.2), Interval(1.0, 0.8, 1.2)
    assert odds(0.5, unseen, seen, 16) == pytest.approx(0.0, abs=1e-9)
    scale = 0.2 / stats.t.ppf(0.975, 15)
    by_hand = stats.t.logpdf(0, 15) - stats.t.logpdf(1 / scale, 15)
    assert odds(0.0, unseen, seen, 16) == pytest.approx(by_hand / np.log(10))
    assert odds(1.0, unseen, seen, 16) == pytest.approx(-by_hand / np.log(10))


def answers(rng: np.random.Generator, seen: np.ndarray) -> Iterator[np.ndarray]:
    """Logits of two classes of shadows that are surer by 2 of what they were trained on."""
    forget = np.arange(seen.shape[1]) < 12
    for saw in seen:
        sure = rng.normal(size=len(saw)) + 2 * (saw & forget)  # no holdout example is trained on
        yield np.stack([sure, np.zeros(len(saw))], axis=1)


def test_shadows_that_saw_a_person_score_above_those_that_did_not(
    rng: np.random.Generator,
) -> None:
    owners = np.concatenate([np.zeros(12, dtype=np.int64), np.arange(1, 201)])
    seen = draw_halves(owners.astype(np.str_), 16, rng)
    shadows = ShadowOutputs(np.stack(list(answers(rng, seen))), seen)
    groups = np.where(owners == 0, Group.FORGET, Group.HOLDOUT)
    zero = np.zeros(len(owners), dtype=np.int64)
    part = Outputs(shadows.logits[0], zero, groups, owners)
    found = scored(part, shadows, LiraRecalibrated())
    unseen, saw = (spot(found, ONE.repeat(6), seen=of) for of in (False, True))
    assert (unseen.models, saw.models) == (8, 8)
    assert unseen.interval().high < saw.mean
    few = ShadowOutputs(shadows.logits[:4], shadows.seen[:4])
    assert scored(part, few, LiraRecalibrated()) == []  # two never saw one; one is left out
