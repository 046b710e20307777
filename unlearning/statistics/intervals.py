"""Intervals: how sure a number is. Everything is at 95 % unless said; pure numpy and scipy."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from scipy import optimize, special, stats

from unlearning.domain import FloatArray, IntArray
from unlearning.statistics.finite import all_finite
from unlearning.statistics.levels import FPRS as FPRS
from unlearning.statistics.levels import LEVEL as LEVEL
from unlearning.statistics.levels import Interval as Interval
from unlearning.statistics.levels import held_together as held_together
from unlearning.statistics.levels import interval_of as interval_of
from unlearning.statistics.levels import level_of_each as level_of_each
from unlearning.statistics.levels import memorised_count as memorised_count

NOTHING = Interval(float("nan"), 0.0, 1.0)
"""What is known where there was nothing to compare, or scores are no finite numbers."""


def clopper_pearson(hits: float, n: float, level: float = LEVEL) -> Interval:
    """Exact binomial interval; `n` may be an effective number of examples, not whole.

    Zero hits are bounded by 1 - .025^(1/n): ten examples can never show less than 31 %.
    """
    alpha = 1 - level
    low = 0.0 if hits <= 0 else float(stats.beta.ppf(alpha / 2, hits, n - hits + 1))
    high = 1.0 if hits >= n else float(stats.beta.ppf(1 - alpha / 2, hits + 1, n - hits))
    return Interval(hits / n, low, high)


def poisson(events: int, exposure: float) -> Interval:
    """Events in a unit of exposure, with Garwood's exact interval."""
    tail = (1 - LEVEL) / 2
    low = float(stats.chi2.ppf(tail, 2 * events)) / 2 if events else 0.0
    high = float(stats.chi2.ppf(1 - tail, 2 * events + 2)) / 2
    return Interval(events / exposure, low / exposure, high / exposure)


def placements(scores: FloatArray, others: FloatArray) -> FloatArray:
    """Share of `others` below each score, ties counting half, (n,).

    NaN where any score is not finite: sorting would take it for the highest of all, and scores none
    of which is a number for ties, whose AUC is a half.
    """
    if not all_finite(scores, others):
        return np.full(len(scores), np.nan)
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


def _ranked(members: FloatArray, others: FloatArray) -> bool:
    """Say whether there are two sides, of scores that can be put in order."""
    return bool(len(members) and len(others)) and all_finite(members, others)


def variance_of_mean(placed: FloatArray, clusters: IntArray) -> float:
    """Variance of the mean of `placed` (n,) when examples of one cluster (n,) go together."""
    _, code = np.unique(clusters, return_inverse=True)
    sums = np.bincount(code, weights=placed - placed.mean())
    k, n = len(sums), len(placed)
    return float(k / (k - 1) * np.sum(sums**2) / n**2)


def auc_interval(
    members: FloatArray,
    others: FloatArray,
    member_subjects: IntArray,
    other_subjects: IntArray,
    *,
    level: float = LEVEL,
) -> Interval:
    """AUC with an interval that respects dependence within a subject (Obuchowski 1997).

    The two clustered variances of the placements are added, with Student's t at the smaller number
    of subjects less one. The variance is never taken to be smaller than that of chance, since a few
    equal placements prove nothing. One subject alone gives [0, 1]: nothing is known of others; an
    empty side, or scores that are not finite, give no number at all.
    """
    if not _ranked(members, others):
        return NOTHING
    value = auc(members, others)
    subjects = min(len(np.unique(member_subjects)), len(np.unique(other_subjects)))
    if subjects < 2:
        return Interval(value, 0.0, 1.0)
    variance = variance_of_mean(placements(members, others), member_subjects)
    variance += variance_of_mean(placements(others, members), other_subjects)
    variance = max(variance, chance_variance(len(members), len(others)))
    reach = stats.t.ppf(0.5 + level / 2, subjects - 1) * np.sqrt(variance)
    return Interval(value, max(0.0, value - reach), min(1.0, value + reach))


def tail_interval(
    members: FloatArray,
    others: FloatArray,
    member_subjects: IntArray,
    other_subjects: IntArray,
    *,
    fpr: float,
    level: float = LEVEL,
) -> Interval:
    """True-positive rate at false-positive rate `fpr` (a fraction), with its interval.

    The threshold is the others' (1 - fpr) quantile, itself estimated; `tail_bounds` takes that into
    account. Either side's number is divided by its design effect, at least 1, which says how much
    examples of one subject repeat one another. One subject alone gives [0, 1]; an empty side, or
    scores that are not finite, give no number at all.
    """
    if not _ranked(members, others):
        return NOTHING
    ordered = np.sort(others)[::-1]
    above = min(len(ordered) - 1, int(fpr * len(ordered)))
    hits, false = ((side > ordered[above]).astype(np.float64) for side in (members, others))
    rate = float(hits.mean())
    if min(len(np.unique(of)) for of in (member_subjects, other_subjects)) < 2:
        return Interval(rate, 0.0, 1.0)
    effective = len(members) / _design_effect(members, hits, member_subjects, fpr)
    repeated = _design_effect(others, false, other_subjects, fpr)
    strangers = above / repeated, len(others) / repeated
    return Interval(rate, *tail_bounds(rate * effective, effective, *strangers, fpr, level))


_NODES = (np.arange(64) + 0.5) / 64
"""Where a distribution over the threshold's false-positive rate is looked at, as quantiles."""


@lru_cache(maxsize=8192)
def tail_bounds(
    hits: float, n: float, above: float, others: float, fpr: float, level: float = LEVEL
) -> tuple[float, float]:
    """Bound the true-positive rate at `fpr`, given so many hits above an estimated threshold.

    hits, n: members above it, of how many. above, others: strangers above it, of how many. All are
    effective numbers, not whole. The threshold's own false-positive rate F is Beta(above + 1,
    others - above); at F the true-positive rate is taken to be F^a, the curve through (fpr, rate),
    and hits to be binomial. As with Clopper and Pearson's, to which it comes with many strangers,
    each end leaves (1 - level) / 2 of what could have been seen beyond it.
    """
    shares = special.betaincinv(above + 1, others - above, _NODES)
    exponents = np.log(shares) / np.log(fpr)

    def at_least(count: float, rate: float) -> float:
        """How often so many hits or more would be seen."""
        return float(special.betainc(count, n - count + 1, rate**exponents).mean())

    alpha = (1 - level) / 2
    low = 0.0 if hits <= 0 else _root(lambda rate: at_least(hits, rate) - alpha)
    high = 1.0 if hits >= n else _root(lambda rate: at_least(hits + 1, rate) - (1 - alpha))
    return min(low, hits / n), max(high, hits / n)


def _root(rising: Callable[[float], float]) -> float:
    """Where a rising function of a rate crosses 0, or the end that it never leaves behind."""
    if rising(1 - 1e-12) <= 0:
        return 1.0
    if rising(1e-12) >= 0:
        return 0.0
    return float(optimize.brentq(rising, 1e-12, 1 - 1e-12, xtol=1e-7))


def _design_effect(members: FloatArray, hits: FloatArray, subjects: IntArray, fpr: float) -> float:
    """How much less hits say than as many independent ones would, at least 1.

    The larger of what the hits themselves show and what all scores let expect: few hits, or none,
    show nothing of how people's examples go together, and they are the ones that release.
    """
    sizes = np.unique(subjects, return_counts=True)[1]
    if sizes.max() == 1:
        return 1.0
    rate = float(hits.mean())
    alike = _alike_hits(_likeness(members, subjects), max(rate, fpr))
    expected = 1 + ((sizes**2).sum() / sizes.sum() - 1) * alike
    independent = rate * (1 - rate) / len(hits)
    shown = variance_of_mean(hits, subjects) / independent if independent else 1.0
    return max(1.0, float(expected), float(shown))


def _likeness(scores: FloatArray, subjects: IntArray) -> float:
    """Intraclass correlation of normal scores, in [0, .99]; .99 where they do not differ at all."""
    normal = stats.norm.ppf((stats.rankdata(scores) - 0.5) / len(scores))
    found = intraclass(normal, subjects)
    return float(np.clip(found, 0.0, 0.99)) if np.isfinite(found) else 0.99


def intraclass(values: FloatArray, subjects: IntArray) -> float:
    """Share of the variance that values of one subject have in common (Donner 1986).

    By analysis of variance, so it may lie below 0. NaN where no subject has two values, where there
    is but one subject, and where the values do not differ.
    """
    _, code, sizes = np.unique(subjects, return_inverse=True, return_counts=True)
    n, k = len(values), len(sizes)
    if not 1 < k < n:
        return float("nan")
    means = np.bincount(code, weights=values) / sizes
    between = np.sum(sizes * (means - values.mean()) ** 2) / (k - 1)
    within = np.sum((values - means[code]) ** 2) / (n - k)
    size = (n - np.sum(sizes**2) / n) / (k - 1)
    spread = between + (size - 1) * within
    return float((between - within) / spread) if spread > 0 else float("nan")


def _alike_hits(likeness: float, rate: float) -> float:
    """Correlation of two hits of one subject, whose normal scores correlate by `likeness`.

    The variance of a subject's own chance of a hit, over rate (1 - rate).
    """
    own = stats.norm.ppf(_NODES)
    chance = stats.norm.sf((stats.norm.isf(rate) - np.sqrt(likeness) * own) / np.sqrt(1 - likeness))
    return float(chance.var() / (rate * (1 - rate))) if rate < 1 else 0.0


def paired_difference(first: FloatArray, second: FloatArray, subjects: IntArray) -> Interval:
    """Mean of first - second over the same examples (0/1 or real, (n,)), by clusters of subjects.

    Student's t at the number of subjects less one. At least one disagreement's variance is assumed:
    two networks that agree on n test examples may still differ on the next. Of one subject alone
    nothing is known of others: the interval has no ends.
    """
    difference = first.astype(np.float64) - second
    n, people = len(difference), len(np.unique(subjects))
    value = float(difference.mean())
    if people < 2:
        return Interval(value, -np.inf, np.inf)
    variance = max(variance_of_mean(difference, subjects), 1 / n**2)
    reach = float(stats.t.ppf(0.5 + LEVEL / 2, people - 1) * np.sqrt(variance))
    return Interval(value, value - reach, value + reach)
