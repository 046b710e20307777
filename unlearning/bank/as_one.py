"""The forget set as one: where a model's mean score lies if it saw nothing of it, some, or all.

The AUC needs many people. With one, or a few, there is still one model after the other: each shadow
saw some of them or none, and the candidate is one more. So the commonest request, a single person's
pictures, can be decided by the models, where its examples alone would say nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import stats

from unlearning.contracts import Attack
from unlearning.domain import FloatArray, Group, Outputs, ShadowOutputs
from unlearning.statistics.intervals import LEVEL, NOTHING, Interval


@dataclass(frozen=True, eq=False)
class Line:
    """A straight line through the shadows' mean scores, over the share of the set that each saw.

    seen, scores: (shadows,). With fewer than three, or all of one share, it foretells nothing.
    """

    seen: FloatArray
    scores: FloatArray

    @property
    def freedom(self) -> int:
        """Shadows, less the line's two numbers."""
        return len(self.seen) - 2

    def at(self, share: float, level: float = LEVEL) -> Interval:
        """Where one more model lies that saw this share of the set (prediction interval)."""
        n, off = len(self.seen), self.seen - self.seen.mean() if len(self.seen) else self.seen
        apart = float((off**2).sum())
        if n < 3 or apart == 0 or not np.isfinite(self.scores).all():
            return NOTHING
        middle, slope = float(self.scores.mean()), float((off * self.scores).sum() / apart)
        about = float(((self.scores - middle - slope * off) ** 2).sum() / self.freedom)
        away = share - float(self.seen.mean())
        reach = stats.t.ppf(0.5 + level / 2, self.freedom)
        reach *= np.sqrt(about * (1 + 1 / n + away**2 / apart))
        value = middle + slope * away
        return Interval(value, float(value - reach), float(value + reach))


def lines(part: Outputs, shadows: ShadowOutputs, attack: Attack) -> tuple[Line, Line]:
    """Score each shadow by the others on all of the forget set; give the mean's line, and spread's.

    part: forget and comparable holdout examples, whose logits are not read. A shadow is held
    against the holdout examples that count as unseen by it, as in the null band. The spread is the
    mean size of a score, either way.
    """
    forget, unseen = part.of(Group.FORGET), (~shadows.seen).sum(0)
    if not forget.any() or unseen.min() < 3:  # one is left out, and two must remain
        return Line(np.zeros(0), np.zeros(0)), Line(np.zeros(0), np.zeros(0))
    found = np.array([(s.mean(), abs(s).mean()) for s in _scores(part, shadows, attack)])
    seen = shadows.seen[:, forget].mean(1)
    return Line(seen, found[:, 0]), Line(seen, found[:, 1])


def _scores(part: Outputs, shadows: ShadowOutputs, attack: Attack) -> Iterator[FloatArray]:
    forget, holdout = part.of(Group.FORGET), part.of(Group.HOLDOUT)
    for shadow in range(len(shadows)):
        where = forget | (holdout & ~shadows.seen[shadow])
        others = np.arange(len(shadows)) != shadow
        one = Outputs(
            shadows.logits[shadow, where],
            part.labels[where],
            part.groups[where],
            part.subjects[where],
        )
        theirs = ShadowOutputs(shadows.logits[others][:, where], shadows.seen[others][:, where])
        yield attack.score(one, theirs)[one.of(Group.FORGET)]


def odds(score: float, unseen: Interval, seen: Interval, freedom: int) -> float:
    """How much likelier a mean score is for who saw nothing than for who saw all, log10.

    unseen, seen: prediction intervals at 95 %, by Student's t with so many degrees of freedom.
    """
    wide = stats.t.ppf(0.5 + LEVEL / 2, max(1, freedom))
    densities = (
        stats.t.logpdf(score, max(1, freedom), of.value, max((of.high - of.low) / 2 / wide, 1e-12))
        for of in (unseen, seen)
    )
    return float(np.subtract(*densities) / np.log(10))
