"""Facts that hold for every registered attack, and hand-worked scores."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.unit.toys import outputs
from unlearning.attacks import ATTACKS
from unlearning.attacks.lira import LiraOffline, LiraOnline
from unlearning.domain import Group, ShadowOutputs
from unlearning.errors import UsageError
from unlearning.statistics.intervals import auc
from unlearning.statistics.signals import log_confidence, scaled_confidence


def confident(p: np.ndarray) -> np.ndarray:
    """Give two-class logits with probability p for class 0."""
    return np.stack([np.log(p), np.log1p(-p)], axis=-1)


def test_the_loss_attack_on_two_examples() -> None:
    """p = .9 and .5 for the true class, so the scores are log .9 and log .5."""
    target = outputs(confident(np.array([0.9, 0.5])), np.zeros(2, int), [Group.FORGET] * 2)
    none = ShadowOutputs(np.zeros((0, 2, 2)), np.zeros((0, 2), bool))
    scores = ATTACKS.create("loss").score(target, none)
    np.testing.assert_allclose(scores, np.log([0.9, 0.5]), rtol=1e-6)


def test_scaled_confidence_is_the_log_odds() -> None:
    """p = .9: log(.9 / .1); and no precision is lost at a logit gap of 800, where p rounds to 1."""
    logits = np.array([[math.log(0.9), math.log(0.1)], [800.0, 0.0]])
    np.testing.assert_allclose(
        scaled_confidence(logits, np.zeros(2, int)), [math.log(9), 800.0], rtol=1e-12
    )


def test_signals_work_over_a_leading_axis_of_shadows(rng: np.random.Generator) -> None:
    logits, labels = rng.normal(size=(4, 6, 3)), rng.integers(0, 3, 6)
    for signal in (log_confidence, scaled_confidence):
        one_by_one = np.stack([signal(part, labels) for part in logits])
        np.testing.assert_allclose(signal(logits, labels), one_by_one, rtol=1e-12)


def test_offline_lira_by_hand() -> None:
    """Three shadows; the first saw the example. Unseen log-odds 1 and 3: mean 2, deviation sqrt 2.

    The target's log-odds are 4: with no prior (4 - 2) / sqrt 2.
    """
    odds = np.array([[9.0], [1.0], [3.0]])
    shadows = ShadowOutputs(
        np.stack([odds, np.zeros_like(odds)], axis=-1), np.array([[True], [False], [False]])
    )
    target = outputs(np.array([[4.0, 0.0]]), np.zeros(1, int), [Group.FORGET])
    score = LiraOffline(prior=0.0).score(target, shadows)
    np.testing.assert_allclose(score, [2 / math.sqrt(2)], rtol=1e-6)


def test_an_infinite_prior_is_the_papers_fixed_variance(rng: np.random.Generator) -> None:
    """Then every example is divided by the same pooled deviation."""
    shadows = ShadowOutputs(rng.normal(size=(6, 9, 2)), np.zeros((6, 9), bool))
    target = outputs(rng.normal(size=(9, 2)), np.zeros(9, int), [Group.FORGET] * 9)
    signals = scaled_confidence(shadows.logits, target.labels)
    pooled = math.sqrt(signals.var(0, ddof=1).mean())
    expected = (scaled_confidence(target.logits, target.labels) - signals.mean(0)) / pooled
    found = LiraOffline(prior=math.inf).score(target, shadows)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("attack", [LiraOffline, LiraOnline])
def test_an_infinite_prior_is_where_large_ones_lead(
    attack: type[LiraOffline] | type[LiraOnline], rng: np.random.Generator
) -> None:
    """Of 8 shadows 4 saw an example: own deviations weigh 3 / (3 + 1e9) beside the shared one."""
    target = outputs(rng.normal(size=(9, 2)), np.zeros(9, int), [Group.FORGET] * 9)
    shadows = strangers(rng, 9)
    at_infinity = attack(prior=math.inf)
    np.testing.assert_allclose(
        at_infinity.score(target, shadows), attack(prior=1e9).score(target, shadows), rtol=1e-6
    )
    every = np.arange(1, 8, 2)  # those that never saw anything
    signals = at_infinity.signals(target, shadows)
    nearly = attack(prior=1e9).score_shadows(signals, every)
    np.testing.assert_allclose(at_infinity.score_shadows(signals, every), nearly, rtol=1e-6)


@pytest.mark.parametrize("prior", [-1.0, math.nan, -math.inf])
@pytest.mark.parametrize("attack", [LiraOffline, LiraOnline])
def test_a_prior_that_is_no_weight_is_refused(
    attack: type[LiraOffline] | type[LiraOnline], prior: float
) -> None:
    with pytest.raises(UsageError, match=r"prior: got .*, expected a number of at least 0"):
        attack(prior=prior)


def test_lira_refuses_an_example_that_every_shadow_saw() -> None:
    shadows = ShadowOutputs(np.zeros((4, 1, 2)), np.ones((4, 1), bool))
    target = outputs(np.zeros((1, 2)), np.zeros(1, int), [Group.FORGET])
    with pytest.raises(UsageError, match="fewer than 2 shadows"):
        LiraOffline().score(target, shadows)


@pytest.mark.parametrize("name", list(ATTACKS))
def test_a_memorised_member_ranks_above_a_stranger(name: str) -> None:
    """Sure and right of 20 forget and 20 retain examples, wrong of 20 holdout and 20 test ones.

    RMIA is a share of strangers, of whom the first ties with all members: 1 - 1/2 x 1/20 at most.
    """
    rng = np.random.default_rng(0)
    odds = np.repeat([6.0, -2.0], 40) + rng.normal(0, 0.5, 80)
    groups = np.repeat([Group.FORGET, Group.RETAIN, Group.HOLDOUT, Group.TEST], 20)
    target = outputs(np.stack([odds, np.zeros(80)], axis=-1), np.zeros(80, int), list(groups))
    shadows = strangers(rng, 80)
    shadows.logits[..., 0] += 5 * shadows.seen  # they remember too
    scores = ATTACKS.create(name).score(target, shadows)
    assert auc(scores[:20], scores[40:60]) >= 1 - 1 / 40


@pytest.mark.parametrize("name", list(ATTACKS))
def test_nothing_is_found_where_nothing_is(name: str) -> None:
    """1,000 against 1,000 of one distribution: the standard error is .013, .06 is 4.6 of it."""
    rng = np.random.default_rng(1)
    logits, labels = rng.normal(size=(2400, 4)), rng.integers(0, 4, 2400)
    sizes = {Group.FORGET: 1000, Group.HOLDOUT: 1000, Group.RETAIN: 200, Group.TEST: 200}
    target = outputs(logits, labels, [group for group in sizes for _ in range(sizes[group])])
    scores = ATTACKS.create(name).score(target, strangers(rng, 2400, classes=4))
    assert abs(auc(scores[:1000], scores[1000:2000]) - 0.5) < 0.06


def strangers(rng: np.random.Generator, n: int, classes: int = 2) -> ShadowOutputs:
    """Give eight shadows; each example is unseen by four of them."""
    seen = np.tile(np.array([[True], [False]]), (4, n))
    return ShadowOutputs(rng.normal(size=(8, n, classes)), seen)
