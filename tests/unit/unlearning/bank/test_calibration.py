"""Is what is said to happen in 5 % of the cases what happens in 5 % of the cases? By simulation.

Shadows are Gaussian: example i has a mean of its own, and every network that never saw it answers
with that mean and noise. Where nothing was remembered, p-values must be uniform; intervals must
hold the truth as often as they say. Seeds are fixed and bounds are given with their standard error.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from unlearning.attacks.lira import LiraOffline
from unlearning.attacks.rmia import RmiaOffline
from unlearning.bank.calibration import Calibrated, Signals
from unlearning.bank.null_band import null_band
from unlearning.bank.shadows import draw_halves
from unlearning.domain import FloatArray, Group, Outputs, ShadowOutputs
from unlearning.statistics.intervals import (
    Interval,
    auc,
    auc_interval,
    chance_variance,
    clopper_pearson,
    paired_difference,
    tail_interval,
)


def bank(
    rng: np.random.Generator, *, forget: int, holdout: int, shadows: int, lift: float = 2.0
) -> Signals:
    """Draw a network that never saw the forget set, and shadows of which each saw half of it."""
    n = forget + holdout
    seen = draw_halves(np.arange(n).astype(np.str_), shadows, rng)
    outside = np.arange(n) >= forget
    odds = rng.normal(0, 2, n) + rng.normal(size=(shadows + 1, n))
    odds[1:] += lift * (seen & ~outside)
    return Signals(odds[0], odds[1:], seen, outside, np.zeros(n, dtype=int))


def is_uniform(values: FloatArray) -> bool:
    """Say whether Kolmogorov and Smirnov find nothing: true of 99 of 100 uniform samples."""
    return bool(stats.kstest(values, "uniform").pvalue > 0.01)


@pytest.mark.parametrize("shadows", [8, 32])
def test_an_examples_p_value_is_uniform_where_nobody_remembers(shadows: int) -> None:
    """Unshrunk, (phi - mean) / deviation of c shadows is sqrt(1 + 1 / c) times a Student's t."""
    given = bank(np.random.default_rng(1), forget=3000, holdout=3000, shadows=shadows)
    count = shadows // 2
    scores = LiraOffline(prior=0.0).compare(given) / np.sqrt(1 + 1 / count)
    assert is_uniform(stats.t.sf(scores, count - 1))


def test_with_the_shared_deviation_it_is_normal() -> None:
    given = bank(np.random.default_rng(2), forget=3000, holdout=3000, shadows=16)
    scores = LiraOffline(prior=1e9).compare(given) / np.sqrt(1 + 1 / 8)
    assert is_uniform(stats.norm.sf(scores))


def test_p_values_of_those_who_remember_are_not_uniform() -> None:
    """Else the test would find nothing ever: a tenth of a deviation is enough for 6,000."""
    given = bank(np.random.default_rng(3), forget=3000, holdout=3000, shadows=16)
    moved = replace(given, target=given.target + 0.1)
    scores = LiraOffline(prior=1e9).compare(moved)
    assert not is_uniform(stats.norm.sf(scores / np.sqrt(1 + 1 / 8)))


@pytest.mark.parametrize("attack", [LiraOffline(), RmiaOffline()], ids=lambda attack: attack.name)
def test_the_p_values_of_never_in_shadows_are_uniform(attack: Calibrated) -> None:
    """One shadow of each of 250 banks, by the 15 others, on the half that it never saw.

    Its AUC differs from a half by chance alone, as Mann and Whitney's variance says. RMIA's signal
    lies in (0, 1), so it is given the probabilities. Several shadows of one bank would share its
    examples, which RMIA, unlike LiRA, does not put on one scale.
    """
    rng, found = np.random.default_rng(4), []
    for _ in range(250):
        given = bank(rng, forget=100, holdout=200, shadows=16)
        if isinstance(attack, RmiaOffline):
            given = replace(given, target=expit(given.target), shadows=expit(given.shadows))
        (scores,), out = attack.score_shadows(given, np.array([0])), ~given.seen[0]
        members, others = scores[out & ~given.holdout], scores[out & given.holdout]
        error = np.sqrt(chance_variance(len(members), len(others)))
        found.append((auc(members, others) - 0.5) / error)
    assert is_uniform(stats.norm.sf(found))


def measured(given: Signals) -> tuple[float, float, float, float]:
    """Give a never-in network's AUC, and the null band's mean and ends."""
    attack, groups = LiraOffline(), np.where(given.holdout, Group.HOLDOUT, Group.FORGET)
    scores = attack.compare(given)
    own = auc(scores[~given.holdout], scores[given.holdout])
    logits = np.stack([given.shadows, np.zeros_like(given.shadows)], axis=-1)
    zero = np.zeros(len(groups), dtype=int)
    part = Outputs(logits[0], zero, groups, np.arange(len(groups)))
    band = null_band(part, ShadowOutputs(logits, given.seen), attack)
    return own, band.value, band.low, band.high


@pytest.fixture(scope="module")
def banded() -> FloatArray:
    """300 never-in networks with the null bands of 16 shadows each, (300, 4)."""
    rng = np.random.default_rng(5)
    drawn = (bank(rng, forget=150, holdout=300, shadows=16) for _ in range(300))
    return np.array([measured(given) for given in drawn])


def test_a_network_that_never_saw_lies_in_the_null_band(banded: FloatArray) -> None:
    """Of 300 networks 95 % are in theirs; the standard error is 1.3 %."""
    own, _, low, high = banded.T
    covered = np.mean((low < own) & (own < high))
    assert 0.95 - 2 * 0.013 < covered < 0.95 + 3 * 0.013


def test_its_p_value_within_the_null_band_is_uniform(banded: FloatArray) -> None:
    own, mean, low, high = banded.T
    deviation = (high - low) / 2 / stats.t.ppf(0.975, 15)
    assert is_uniform(stats.t.sf((own - mean) / deviation, 15))


@pytest.mark.parametrize("n", [10, 100, 500])
def test_binomial_intervals_hold_the_truth_in_19_of_20_cases_at_least(n: int) -> None:
    """Not simulated: the chance of every number of hits is known. They are never too short."""
    hits = np.arange(n + 1)
    found = [clopper_pearson(float(k), n) for k in hits]
    for truth in np.linspace(0.01, 0.99, 25):
        holds = np.array([i.low <= truth <= i.high for i in found])
        assert stats.binom.pmf(hits, n, truth)[holds].sum() >= 0.95


def people(
    rng: np.random.Generator, count: int, each: int, shared: float, shift: float
) -> tuple[FloatArray, np.ndarray]:
    """Draw scores of variance 1 whose owners' examples correlate by `shared`."""
    owners = np.repeat(np.arange(count), each)
    own = rng.normal(size=count)[owners]
    return shift + np.sqrt(shared) * own + np.sqrt(1 - shared) * rng.normal(
        size=len(owners)
    ), owners


def holds(found: Interval, truth: float) -> bool:
    return found.low <= truth <= found.high


@pytest.mark.parametrize("truth", [0.5, 0.6, 0.75])
@pytest.mark.parametrize(("count", "each", "shared"), [(100, 1, 0.0), (25, 6, 0.6)])
def test_auc_intervals_hold_the_truth(truth: float, count: int, each: int, shared: float) -> None:
    """400 samples against 300 others; nominal 95 %, standard error 1.1 %: 92 % to 98.5 %.

    The truth is Phi(shift / sqrt 2).
    """
    rng, shift = np.random.default_rng(6), float(np.sqrt(2) * stats.norm.ppf(truth))
    covered = []
    for _ in range(400):
        members, owners = people(rng, count, each, shared, shift)
        found = auc_interval(members, rng.normal(size=300), owners, np.arange(300))
        covered.append(holds(found, truth))
    assert 0.92 < np.mean(covered) < 0.985


@pytest.mark.parametrize("shift", [0.0, 0.7])
@pytest.mark.parametrize("fpr", [0.01, 0.05])
@pytest.mark.parametrize(("count", "each", "shared"), [(200, 1, 0.0), (40, 5, 0.5), (20, 40, 0.3)])
def test_tail_intervals_hold_the_truth(
    shift: float, fpr: float, count: int, each: int, shared: float
) -> None:
    """400 samples against two and a half times as many strangers, people on both sides alike.

    The truth is 1 - Phi(the others' quantile - shift).

    The upper end, which lets a candidate pass, is below the truth in 2.5 % at most, and the lower
    end, which refuses, above it in 2.5 %; standard error .8 %. Repeated people make the number of
    examples effective only, which costs the refusing end another 2 %.
    """
    rng, truth = np.random.default_rng(7), float(stats.norm.sf(stats.norm.isf(fpr) - shift))
    passing, refusing = [], []
    for _ in range(400):
        members, owners = people(rng, count, each, shared, shift)
        others, theirs = people(rng, count * 5 // 2, each, shared, 0.0)
        found = tail_interval(members, others, owners, theirs, fpr=fpr)
        passing.append(found.high < truth)
        refusing.append(found.low > truth)
    assert np.mean(passing) < 0.025 + 3 * 0.008
    assert np.mean(refusing) < 0.025 + 3 * 0.008 + (0.02 if shared else 0.0)


def test_paired_differences_hold_the_truth() -> None:
    """Two networks on 500 examples: one right where the other is wrong in 8 %, reverse in 5 %.

    1,000 samples, standard error .7 %: 93 % to 97 %.
    """
    rng, covered = np.random.default_rng(8), []
    for _ in range(1000):
        kind = rng.choice(3, size=500, p=[0.08, 0.05, 0.87])
        covered.append(holds(paired_difference(kind == 0, kind == 1, np.arange(500)), 0.03))
    assert 0.93 < np.mean(covered) < 0.97


@pytest.mark.parametrize(("count", "each"), [(20, 40), (60, 10)])
def test_paired_differences_of_people_hold_the_truth(count: int, each: int) -> None:
    """One network is right where the other is wrong in 10 %, more often with some people.

    600 samples, standard error .9 %; taken as independent, 15 % would be missed.
    """
    rng, covered = np.random.default_rng(9), []
    for _ in range(600):
        scores, owners = people(rng, count, each, 0.3, 0.0)
        wrong = scores > stats.norm.isf(0.10)
        covered.append(holds(paired_difference(wrong, np.zeros(len(wrong)), owners), 0.10))
    assert 0.92 < np.mean(covered) < 0.98
