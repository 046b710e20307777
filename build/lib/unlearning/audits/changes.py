"""Intervals of what differs between two networks on the same examples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from unlearning.domain import FloatArray, IntArray, Measurement
from unlearning.judging.measuring import Scores
from unlearning.statistics.intervals import LEVEL, Interval, clopper_pearson, placements

LEAST = 3
"""Retrained models without which there is no spread between seeds to compare with."""


def measured(name: str, interval: Interval, n: int) -> Measurement:
    """Name an interval."""
    return Measurement(name, interval.value, interval.low, interval.high, n)


def share(name: str, hits: FloatArray) -> Measurement:
    """Give the share of hits (0 or 1, (n,)) with its exact binomial interval."""
    return measured(name, clopper_pearson(float(hits.sum()), len(hits)), len(hits))


def mean_change(differences: FloatArray, subjects: IntArray) -> Interval:
    """Give the mean of per-example differences, (n,), as sure as the number of subjects allows.

    At least one disagreement's variance is assumed: two networks that agree on n examples may still
    differ on the next. One subject alone gives an infinite interval: nothing is known of others.
    """
    n, value = len(differences), float(differences.mean())
    variance = max(_variance_of_mean(differences, subjects), 1 / n**2)
    return _about(value, variance, len(np.unique(subjects)))


def auc_change(before: Sequence[Scores], after: Sequence[Scores]) -> Interval:
    """Give how much an attack's AUC, the mean of some models', differs from that of others.

    All score the same examples. Placements (DeLong et al. 1988) are differenced by example and
    summed by subject (Obuchowski 1997): what all find easy does not widen the interval.
    """
    members = _placed_members(after) - _placed_members(before)
    others = _placed_others(after) - _placed_others(before)
    who, whose = before[0].forget_subjects, before[0].holdout_subjects
    variance = _variance_of_mean(members, who) + _variance_of_mean(others, whose)
    subjects = min(len(np.unique(who)), len(np.unique(whose)))
    return _about(float(members.mean()), variance, subjects)


def gap(candidate: FloatArray, retrained: Sequence[FloatArray], subjects: IntArray) -> Interval:
    """Give the candidate's mean over examples, (n,), less the retrained models'; see `widened`."""
    examples = mean_change(candidate - np.mean(retrained, axis=0), subjects)
    return widened(examples, [float(values.mean()) for values in retrained])


def widened(examples: Interval, retrained: Sequence[float]) -> Interval:
    """Let an interval of a difference to retrained models' mean cover one more retrained model.

    examples: covers the choice of examples. retrained: each model's own number. With fewer than
    three nothing is known of what seeds differ by, and the interval stays as it is.
    """
    count = len(retrained)
    if count < LEAST:
        return examples
    spread = np.std(retrained, ddof=1) * np.sqrt(1 + 1 / count)
    seeds = stats.t.ppf(0.5 + LEVEL / 2, count - 1) * spread
    reach = float(np.hypot(examples.high - examples.value, seeds))
    return Interval(examples.value, examples.value - reach, examples.value + reach)


def _placed_members(models: Sequence[Scores]) -> FloatArray:
    placed = [placements(scores.forget, scores.holdout) for scores in models]
    return np.asarray(np.mean(placed, axis=0))


def _placed_others(models: Sequence[Scores]) -> FloatArray:
    placed = [placements(scores.holdout, scores.forget) for scores in models]
    return np.asarray(np.mean(placed, axis=0))


def _variance_of_mean(values: FloatArray, subjects: IntArray) -> float:
    """Variance of the mean when examples of one subject go together; infinite for one subject."""
    _, code = np.unique(subjects, return_inverse=True)
    sums = np.bincount(code, weights=values - values.mean())
    k = len(sums)
    return float(k / (k - 1) * np.sum(sums**2) / len(values) ** 2) if k > 1 else np.inf


def _about(value: float, variance: float, subjects: int) -> Interval:
    if subjects < 2:
        return Interval(value, -np.inf, np.inf)
    reach = float(stats.t.ppf(0.5 + LEVEL / 2, subjects - 1) * np.sqrt(variance))
    return Interval(value, value - reach, value + reach)
