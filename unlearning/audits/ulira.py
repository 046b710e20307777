"""U-LiRA's arithmetic (Hayes et al. 2025): did a model unlearn an example, or never see it?

Both sides have run the same unlearning algorithm: models with the example in their forget set, and
models that never saw it and forgot something else. A likelihood ratio of two normal distributions
decides between them, example by example. For benchmarks only: in production nobody trains models
on people who asked to be forgotten.

Ratios are always those of models held out of the fit. In public code the fitted models are scored
by their own fit, or by whether they answer rightly (0 or 1), or one side was never unlearned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from unlearning.attacks.lira import gaussian, log_density
from unlearning.audits import AUDITS
from unlearning.audits.margins import margins_of
from unlearning.domain import BoolArray, FloatArray, Group, IntArray, Measurement, Outputs
from unlearning.errors import UsageError
from unlearning.statistics.intervals import LEVEL, Interval, auc

FPRS = (0.001, 0.01, 0.05)

RESAMPLES = 2000
"""Of the bootstrap behind `pooled_auc`."""


@dataclass(frozen=True, eq=False)
class Sides:
    """What models say of examples, and what they have to do with them.

    signals: (models, n), log(p / (1 - p)) of the true class after unlearning. unlearned: (models,
    n), True where the model had seen the example and then unlearned it. never: (models, n), True
    where it never saw it. Where neither is true (seen and kept), a model is not used. group:
    (models,), equal for models that are not independent, such as two that one original became:
    they are never on both sides of a fit.
    """

    signals: FloatArray
    unlearned: BoolArray
    never: BoolArray
    group: IntArray

    def __post_init__(self) -> None:
        """Refuse a model that is on both sides of an example."""
        if (self.unlearned & self.never).any():
            raise UsageError("ulira: a model has both unlearned and never seen an example")

    def of(self, models: BoolArray) -> Sides:
        """Give some of the models."""
        sides = self.unlearned[models], self.never[models]
        return Sides(self.signals[models], *sides, self.group[models])


@dataclass(frozen=True, eq=False)
class ULira:
    """What the test tells apart.

    auc, balanced_accuracy: (n,), for each example, at threshold 0 the latter; .5 is what perfect
    unlearning leaves. pooled_auc, tpr: over all pairs of a model and an example, the true-positive
    rate at each false-positive rate of FPRS (fractions). The interval of pooled_auc is over groups
    of models, drawn again with replacement; the fits are not repeated.
    """

    auc: FloatArray
    balanced_accuracy: FloatArray
    pooled_auc: Interval
    tpr: dict[float, float]


@AUDITS.register
@dataclass(frozen=True, kw_only=True)
class UnlearningLira:
    """U-LiRA: tell models that unlearned an example from models that never saw it, by itself.

    A likelihood ratio of two normal distributions an example, of models held out of the fit. For
    benchmarks only: nobody trains models on people who asked to be forgotten. The references have
    run the same method on another forget set, and model k of the references goes with candidate k.
    `ulira_auc` and `ulira_balanced_accuracy` are means over the forget examples, with the range
    that 95 % of these lie in; `ulira_pooled_auc` has its interval over models.

    folds: parts that models are cut into, each scored by a fit to the others. prior: how far
    deviations are shrunk towards the shared one, as in LiRA.
    """

    name: ClassVar[str] = "ulira"
    paper: ClassVar[str] = "U-LiRA, Hayes et al. (2025)"
    runs: ClassVar[str] = "benchmark ulira; benchmark asked"

    folds: int = 2
    prior: float = 16.0

    def measure(
        self,
        candidates: Sequence[Outputs],
        references: Sequence[Outputs],
        rng: np.random.Generator,
    ) -> list[Measurement]:
        """Measure them on the forget set; raises UsageError with too few models on a side."""
        if not (candidates and references and (asked := candidates[0].of(Group.FORGET)).any()):
            raise UsageError(
                f"ulira: got {len(candidates)} candidates and {len(references)} models that never "
                "saw the forget set, expected some of each and a forget example"
            )
        sides = told_sides(*(margins_of(models)[:, asked] for models in (candidates, references)))
        found = evaluate(sides, rng, folds=self.folds, prior=self.prior)
        pooled = found.pooled_auc
        n = int(asked.sum())
        return [
            _over_examples("ulira_auc", found.auc),
            _over_examples("ulira_balanced_accuracy", found.balanced_accuracy),
            Measurement("ulira_pooled_auc", pooled.value, pooled.low, pooled.high, n),
        ]


def _over_examples(name: str, values: FloatArray) -> Measurement:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Measurement(name, float(values.mean()), float(low), float(high), len(values))


def told_sides(unlearned: FloatArray, never: FloatArray) -> Sides:
    """Lay out models that all unlearned, and as many that never saw, the same examples.

    unlearned, never: (models, n) signals; model k of each comes from the same draw.
    """
    signals = np.concatenate([unlearned, never])
    first = np.arange(len(signals)) < len(unlearned)
    each = np.broadcast_to(first[:, None], signals.shape)
    group = np.concatenate([np.arange(len(unlearned)), np.arange(len(never))])
    return Sides(signals, each, ~each, group)


def evaluate(
    sides: Sides, rng: np.random.Generator, *, folds: int = 2, prior: float = 16.0
) -> ULira:
    """Cut the groups of models into folds at random; score each fold by a fit to the others.

    prior: how far deviations are shrunk towards the shared one, as in LiRA.
    """
    groups, code = np.unique(sides.group, return_inverse=True)
    fold = rng.permutation(np.arange(len(groups)) % folds)[code]
    parts = [(sides.of(fold == k), sides.of(fold != k)) for k in range(folds)]
    scored = [(held, log_ratios(held.signals, fit, prior)) for held, fit in parts]
    inside, outside = (
        [part for held, ratios in scored for part in _by_group(held, ratios, side)]
        for side in ("unlearned", "never")
    )
    return ULira(
        auc=np.mean([example_auc(ratios, held) for held, ratios in scored], axis=0),
        balanced_accuracy=np.mean([example_accuracy(r, held) for held, r in scored], axis=0),
        pooled_auc=grouped_auc(inside, outside, rng),
        tpr={
            rate: true_positives(np.concatenate(inside), np.concatenate(outside), rate)
            for rate in FPRS
        },
    )


def _by_group(held: Sides, ratios: FloatArray, side: str) -> list[FloatArray]:
    """Give each group's ratios on one side."""
    where: BoolArray = getattr(held, side)
    rows = (held.group == group for group in np.unique(held.group))
    return [ratios[row][where[row]] for row in rows]


def grouped_auc(
    inside: Sequence[FloatArray], outside: Sequence[FloatArray], rng: np.random.Generator
) -> Interval:
    """Give the AUC over all pairs, with a percentile bootstrap over groups.

    inside[g], outside[g]: the ratios of group g. How often each group's inside is above each
    other's outside is counted once, so that a resample is a quadratic form in how often it drew
    each group.
    """
    wins = np.array([[_wins(one, other) for other in outside] for one in inside])
    sizes = np.array([[len(part) for part in side] for side in (inside, outside)])
    groups = len(inside)
    drawn = rng.multinomial(groups, np.full(groups, 1 / groups), RESAMPLES)
    found = [_weighted(wins, *(sizes * count)) for count in (np.ones(groups, np.int64), *drawn)]
    low, high = np.quantile(found[1:], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(found[0], float(low), float(high))


def _wins(inside: FloatArray, outside: FloatArray) -> float:
    return auc(inside, outside) if len(inside) and len(outside) else 0.0


def _weighted(wins: FloatArray, inside: IntArray, outside: IntArray) -> float:
    return float(inside @ wins @ outside / (inside.sum() * outside.sum()))


def log_ratios(signals: FloatArray, fit: Sides, prior: float) -> FloatArray:
    """Give log N(signal; unlearned) - log N(signal; never), fitted on `fit`, (models, n)."""
    for where in (fit.unlearned, fit.never):
        if where.sum(0).min() < 2:
            raise UsageError(
                f"ulira: got {where.sum(0).min()} models on one side of an example in a fit, "
                "expected at least 2; more models are needed, or more folds"
            )
    unlearned, never = (gaussian(fit.signals, w, prior) for w in (fit.unlearned, fit.never))
    return log_density(signals, *unlearned) - log_density(signals, *never)


def example_auc(ratios: FloatArray, held: Sides) -> FloatArray:
    """Give each example's share of pairs (unlearned, never) in the right order, ties half, (n,).

    By ranks: the sum of the unlearned ones' ranks among those used, as Mann and Whitney count.
    """
    used = held.unlearned | held.never
    ranks = _ranks(np.where(used, ratios, np.inf))
    count, others = held.unlearned.sum(0), held.never.sum(0)
    _refuse_empty(count, others)
    above = np.where(held.unlearned, ranks, 0).sum(0) - count * (count + 1) / 2
    return np.asarray(above / (count * others))


def _ranks(values: FloatArray) -> FloatArray:
    from scipy.stats import rankdata

    return np.asarray(rankdata(values, axis=0))


def example_accuracy(ratios: FloatArray, held: Sides) -> FloatArray:
    """Give each example's balanced accuracy of "unlearned where the ratio is above 0", (n,)."""
    count, others = held.unlearned.sum(0), held.never.sum(0)
    _refuse_empty(count, others)
    right = (held.unlearned & (ratios > 0)).sum(0) / count
    return np.asarray((right + (held.never & (ratios <= 0)).sum(0) / others) / 2)


def _refuse_empty(count: IntArray, others: IntArray) -> None:
    if min(count.min(), others.min()) < 1:
        raise UsageError(
            "ulira: an example has no held-out model on one side; more models are needed, or "
            "fewer folds"
        )


def true_positives(inside: FloatArray, outside: FloatArray, rate: float) -> float:
    """Give the share of `inside` above all but a share `rate` of `outside`."""
    ordered = np.sort(outside)[::-1]
    threshold = ordered[min(len(ordered) - 1, int(rate * len(ordered)))]
    return float(np.mean(inside > threshold))
