"""Intervals against known values and against simulation."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from unlearning.statistics.intervals import (
    auc,
    auc_interval,
    chance_variance,
    clopper_pearson,
    paired_difference,
    placements,
    tail_interval,
)


def test_zero_hits_on_n_examples_bound_the_rate() -> None:
    """Two-sided 95 %: the upper bound is 1 - .025^(1/n)."""
    for n in (10, 59, 299):
        assert clopper_pearson(0, n).high == pytest.approx(1 - 0.025 ** (1 / n), rel=1e-9)
        assert clopper_pearson(n, n).low == pytest.approx(0.025 ** (1 / n), rel=1e-9)


def test_clopper_pearson_against_its_published_value() -> None:
    """4 of 10: [.122, .738] (Clopper and Pearson's construction, any table)."""
    found = clopper_pearson(4, 10)
    assert (found.low, found.high) == pytest.approx((0.1216, 0.7376), abs=1e-4)


def test_placements_and_auc_by_hand() -> None:
    """2 is above one of (1, 3) and ties with neither: 1/2; 3 is above 1 and ties with 3: 3/4."""
    np.testing.assert_allclose(placements(np.array([2.0, 3.0]), np.array([1.0, 3.0])), [0.5, 0.75])
    assert auc(np.array([2.0, 3.0]), np.array([1.0, 3.0])) == pytest.approx(0.625)


@pytest.mark.parametrize("failed", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("count", [1, 50])
def test_scores_that_are_no_numbers_have_no_auc_and_no_tail(failed: float, count: int) -> None:
    """All NaN would sort as ties, an AUC of .5 and no hits: the very picture of forgetting."""
    members, others, people = np.arange(50.0), np.arange(50.0), np.arange(50)
    members[:count] = failed
    for first, second in ((members, others), (others, members)):
        found = auc_interval(first, second, people, people)
        tail = tail_interval(first, second, people, people, fpr=0.05)
        assert np.isnan([auc(first, second), found.value, tail.value]).all()
        assert (found.low, found.high) == (tail.low, tail.high) == (0, 1)


def test_auc_is_scikit_learns(rng: np.random.Generator) -> None:
    a, b = rng.normal(0.3, 1, 40).round(1), rng.normal(0, 1, 70).round(1)
    truth = roc_auc_score(np.r_[np.ones(40), np.zeros(70)], np.r_[a, b])
    assert auc(a, b) == pytest.approx(truth, rel=1e-12)


def test_one_subject_alone_says_nothing() -> None:
    scores = np.arange(12.0)
    one = np.zeros(12, dtype=int)
    found = auc_interval(scores + 100, scores, one, np.arange(12))
    assert (found.value, found.low, found.high) == (1.0, 0.0, 1.0)
    tail = tail_interval(scores + 100, scores, one, np.arange(12), fpr=0.05)
    assert (tail.low, tail.high) == (0.0, 1.0)


def test_intervals_are_never_narrower_than_chance() -> None:
    """Two examples placed alike have no variance of their own, and still prove little."""
    found = auc_interval(np.array([0.5, 0.5]), np.arange(2.0), np.arange(2), np.arange(2))
    assert found.high - found.low == pytest.approx(1.0)
    assert chance_variance(2, 2) == pytest.approx(5 / 48)


@pytest.mark.parametrize(("per_subject", "shared"), [(1, 0.0), (6, 0.7)])
def test_auc_intervals_cover_what_they_say(per_subject: int, shared: float) -> None:
    """400 samples of 20 subjects, also where a subject's examples resemble one another.

    Nominal 95 %; with 400 draws the standard error is 1.1 %, so 92 % is more than 2.5 of them away.
    """
    rng, hits = np.random.default_rng(3), 0
    for _ in range(400):
        members, owners = _people(rng, 20, per_subject, shared)
        others, strangers = _people(rng, 60, per_subject, shared)
        found = auc_interval(members, others, owners, strangers)
        hits += found.low <= 0.5 <= found.high
    assert hits / 400 > 0.92


def _people(
    rng: np.random.Generator, people: int, each: int, shared: float
) -> tuple[np.ndarray, np.ndarray]:
    owners = np.repeat(np.arange(people), each)
    own = rng.normal(size=people)[owners]
    return np.sqrt(shared) * own + np.sqrt(1 - shared) * rng.normal(size=len(owners)), owners


def test_tail_intervals_cover_what_they_say() -> None:
    """300 samples of 100 members and 300 others of the same distribution, at 5 %."""
    rng, hits = np.random.default_rng(4), 0
    for _ in range(300):
        members, others = rng.normal(size=100), rng.normal(size=300)
        found = tail_interval(members, others, np.arange(100), np.arange(300), fpr=0.05)
        hits += found.low <= 0.05 <= found.high
    assert hits / 300 > 0.92


def test_a_tail_full_of_members_is_seen() -> None:
    members = np.r_[np.full(30, 9.0), np.zeros(70)]
    others = np.linspace(-1, 1, 200)
    found = tail_interval(members, others, np.arange(100), np.arange(200), fpr=0.05)
    assert found.value == 0.30
    assert found.low > 0.15


def test_two_networks_that_agree_may_still_differ_on_the_next() -> None:
    same = np.ones(100)
    found = paired_difference(same, same, np.arange(100))
    assert found.value == 0.0
    assert found.high == pytest.approx(1.984 * 0.1 / 10, rel=1e-3)  # Student's t at 99
