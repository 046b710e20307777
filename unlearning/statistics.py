"""Intervals: how sure a number is. Everything is at 95 % unless said; pure numpy and scipy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from unlearning.domain import FloatArray, IntArray

LEVEL = 0.95

FPRS = (0.01, 0.02, 0.05)
"""The false-positive rates at which tails are measured; a policy picks one by its limits."""


@dataclass(frozen=True)
class Interval:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float


def clopper_pearson(hits: float, n: float) -> Interval:
    """Exact binomial interval; `n` may be an effective number of examples, not whole.

    Zero hits are bounded by 1 - .025^(1/n): ten examples can never show less than 31 %.
    """
    alpha = 1 - LEVEL
    low = 0.0 if hits <= 0 else float(stats.beta.ppf(alpha / 2, hits, n - hits + 1))
    high = 1.0 if hits >= n else float(stats.beta.ppf(1 - alpha / 2, hits + 1, n - hits))
    return Interval(hits / n, low, high)


def placements(scores: FloatArray, others: FloatArray) -> FloatArray:
    """Share of `others` below each score, ties counting half, (n,)."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, scores, side="left")
    up_to = np.searchsorted(ordered, scores, side="right")
    return np.asarray((below + up_to) / (2 * len(ordered)))


def auc(members: FloatArray, others: FloatArray) -> float:
    """Probability that a member scores above a non-member, ties counting half."""
    return float(placements(members, others).mean())


def chance_variance(members: int, others: int) -> float:
    """Variance of the AUC between two samples of the same distribution (Mann and Whitney 1947)."""
    return (members + others + 1) / (12 * members * others)


def _clustered_variance(placed: FloatArray, clusters: IntArray) -> float:
    """Variance of the mean of `placed` when examples of one cluster go together."""
    _, code = np.unique(clusters, return_inverse=True)
    sums = np.bincount(code, weights=placed - placed.mean())
    k, n = len(sums), len(placed)
    return float(k / (k - 1) * np.sum(sums**2) / n**2)


def auc_interval(
    members: FloatArray, others: FloatArray, member_subjects: IntArray, other_subjects: IntArray
) -> Interval:
    """AUC with an interval that respects dependence within a subject (Obuchowski 1997).

    The two clustered variances of the placements are added, with Student's t at the smaller number
    of subjects less one. The variance is never taken to be smaller than that of chance, since a few
    equal placements prove nothing. One subject alone gives [0, 1]: nothing is known of others.
    """
    value = auc(members, others)
    subjects = min(len(np.unique(member_subjects)), len(np.unique(other_subjects)))
    if subjects < 2:
        return Interval(value, 0.0, 1.0)
    variance = _clustered_variance(placements(members, others), member_subjects)
    variance += _clustered_variance(placements(others, members), other_subjects)
    variance = max(variance, chance_variance(len(members), len(others)))
    reach = stats.t.ppf(0.5 + LEVEL / 2, subjects - 1) * np.sqrt(variance)
    return Interval(value, max(0.0, value - reach), min(1.0, value + reach))


def tail_interval(
    members: FloatArray, others: FloatArray, member_subjects: IntArray, *, fpr: float
) -> Interval:
    """True-positive rate at false-positive rate `fpr` (a fraction), with its interval.

    The threshold is the others' (1 - fpr) quantile, itself estimated: members and others are
    counted as one effective number 1 / (design / n + 1 / m), where the design effect, at least 1,
    says how much members of one subject repeat one another. One subject alone gives [0, 1].
    """
    ordered = np.sort(others)[::-1]
    threshold = ordered[min(len(ordered) - 1, int(fpr * len(ordered)))]
    hits = (members > threshold).astype(np.float64)
    rate = float(hits.mean())
    if len(np.unique(member_subjects)) < 2:
        return Interval(rate, 0.0, 1.0)
    effective = 1 / (_design_effect(hits, member_subjects) / len(members) + 1 / len(others))
    return clopper_pearson(rate * effective, effective)


def _design_effect(hits: FloatArray, subjects: IntArray) -> float:
    independent = hits.mean() * (1 - hits.mean()) / len(hits)
    if independent == 0:
        return 1.0
    return max(1.0, float(_clustered_variance(hits, subjects) / independent))


def paired_difference(first: FloatArray, second: FloatArray) -> Interval:
    """Mean of first - second over the same examples (0/1 or real, (n,)), normal interval.

    At least one disagreement's variance is assumed: two networks that agree on n test examples may
    still differ on the next.
    """
    difference = first.astype(np.float64) - second
    n = len(difference)
    spread = max(float(difference.std(ddof=1)), 1 / np.sqrt(n)) if n > 1 else np.inf
    reach = stats.norm.ppf(0.5 + LEVEL / 2) * spread / np.sqrt(n)
    value = float(difference.mean())
    return Interval(value, value - reach, value + reach)
