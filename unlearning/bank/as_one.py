"""The forget set as one: where a model's mean score lies if it saw nothing of it, half, or all.

The AUC needs many people. With one, or a few, there is still one model after the other: each shadow
saw some of them or none, and the candidate is one more. So the commonest request, a single person's
pictures, can be decided by the models, where its examples alone would say nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from unlearning.bank.shadows import shadow_targets
from unlearning.contracts import Attack
from unlearning.domain import BoolArray, FloatArray, Group, IntArray, Outputs, ShadowOutputs
from unlearning.statistics.finite import all_finite
from unlearning.statistics.intervals import LEVEL, NOTHING, Interval, variance_of_mean


@dataclass(frozen=True)
class Spot:
    """Where models lie that saw nothing of the set, or all: a mean, a variance, and of how many.

    variance: of one more model, whose score is over the whole set.
    """

    mean: float
    variance: float
    models: int

    def interval(self, level: float = LEVEL) -> Interval:
        """Where one more model lies (prediction interval by Student's t)."""
        if not np.isfinite(self.mean):
            return NOTHING
        reach = stats.t.ppf(0.5 + level / 2, self.models - 1)
        reach *= np.sqrt(self.variance * (1 + 1 / self.models))
        return Interval(self.mean, float(self.mean - reach), float(self.mean + reach))


def halfway(unseen: Spot, seen: Spot) -> Spot:
    """Where models lie that saw half: in the middle, and as far apart as either are."""
    return Spot(
        (unseen.mean + seen.mean) / 2,
        (unseen.variance + seen.variance) / 2,
        min(unseen.models, seen.models),
    )


def even(low: Interval, high: Interval) -> float:
    """Give the score that is as far from the middle of either range, in reaches of each."""
    up, down = low.high - low.value, high.value - high.low
    share = up / (up + down) if up + down > 0 else 0.5
    return low.value + share * (high.value - low.value)


@dataclass(frozen=True, eq=False)
class Scored:
    """One shadow's scores of the forget set by the others, (n,), and which it saw, (n,)."""

    scores: FloatArray
    seen: BoolArray


def scored(part: Outputs, shadows: ShadowOutputs, attack: Attack) -> list[Scored]:
    """Score each shadow by the others on all of the forget set; [] where too few never saw some.

    part: forget and comparable holdout examples, whose logits are not read. A shadow is held
    against the holdout examples that count as unseen by it, as in the null band.
    """
    if not part.of(Group.FORGET).any() or (~shadows.seen).sum(0).min() < 3:
        return []  # one is left out, and two must remain
    forget = part.of(Group.FORGET)
    pairs = zip(shadow_targets(part, shadows, forget), shadows.seen[:, forget], strict=True)
    return [Scored(attack.score(*pair)[pair[0].of(Group.FORGET)], seen) for pair, seen in pairs]


def scored_by(
    part: Outputs, saw: ShadowOutputs, apart: ShadowOutputs, attack: Attack
) -> list[Scored]:
    """Score each shadow, of whom some saw some of the forget set, by models that saw none of it."""
    forget = part.of(Group.FORGET)
    found = []
    for logits, seen in zip(saw.logits, saw.seen, strict=True):
        target = Outputs(logits, part.labels, part.groups, part.subjects)
        found.append(Scored(attack.score(target, apart)[forget], seen[forget]))
    return found


def spot(found: Sequence[Scored], subjects: IntArray, *, seen: bool) -> Spot:
    """Give where shadows lie, each on the part of the set that it saw, or that it did not.

    subjects: (n,) of the forget set. What chance among people explains of the shadows' variance is
    brought from their parts to the whole set; what lies beyond it is how models differ, and stays.
    """
    parts = [(one.scores, one.seen if seen else ~one.seen) for one in found]
    kept = [(scores[of], subjects[of]) for scores, of in parts if of.any()]
    if len(kept) < 2 or not all_finite(*(scores for scores, _ in kept)):
        return Spot(float("nan"), float("nan"), len(kept))
    means = np.array([scores.mean() for scores, _ in kept])
    people = len(np.unique(subjects))
    shares = np.array([len(np.unique(owners)) / people for _, owners in kept])
    chance = float(np.mean([_chance(*one) for one in kept]))
    variance = float(means.var(ddof=1))
    whole = min(variance, chance) * float(shares.mean()) + max(0.0, variance - chance)
    return Spot(float(means.mean()), whole, len(kept))


def _chance(scores: FloatArray, subjects: IntArray) -> float:
    """Variance of a mean over people; 0 for one person, who is whoever it is."""
    return variance_of_mean(scores, subjects) if len(np.unique(subjects)) > 1 else 0.0


def odds(score: float, unseen: Interval, seen: Interval, models: int) -> float:
    """How much likelier a mean score is for who saw nothing than for who saw all, log10.

    unseen, seen: prediction intervals at 95 %, of so many models each.
    """
    freedom = max(1, models - 1)
    wide = stats.t.ppf(0.5 + LEVEL / 2, freedom)
    densities = (
        stats.t.logpdf(score, freedom, of.value, max((of.high - of.low) / 2 / wide, 1e-12))
        for of in (unseen, seen)
    )
    return float(np.subtract(*densities) / np.log(10))
