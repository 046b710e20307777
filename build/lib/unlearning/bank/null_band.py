"""Where networks lie that never saw the forget set: the shadows, each judged by the others."""

from __future__ import annotations

import numpy as np
from scipy import stats

from unlearning.bank.calibration import Calibrated
from unlearning.bank.shadows import shadow_targets
from unlearning.contracts import Attack
from unlearning.domain import FloatArray, Group, IntArray, Measurement, Outputs, ShadowOutputs
from unlearning.statistics.intervals import LEVEL, auc, chance_variance


def null_band(part: Outputs, shadows: ShadowOutputs, attack: Attack) -> Measurement:
    """Give the range in which a network that never saw the forget set lies: the null band.

    Each shadow is scored on the part of the forget set that it never saw, calibrated by the others.
    value: their mean AUC. low, high: where one more network lies in 95 of 100 cases (Student's
    prediction interval). Shadows show half of the examples: what chance explains of their variance
    is brought to all of them, what lies beyond it is how networks differ, and stays. n: shadows
    that could be scored.
    """
    forget, holdout = part.of(Group.FORGET), part.of(Group.HOLDOUT)
    unseen = ~shadows.seen
    # A shadow that saw all of one side has nothing to show: few subjects are compared.
    which = np.flatnonzero((unseen & forget).any(1) & (unseen & holdout).any(1))
    n = len(which)
    if n < 2:
        return Measurement("null_auc", float("nan"), 0.0, 1.0, n)
    scored = zip(shadow_scores(part, shadows, attack, which), unseen[which], strict=True)
    pairs = [(scores[forget & out], scores[holdout & out]) for scores, out in scored]
    aucs = [auc(*pair) for pair in pairs]
    chance = float(np.mean([chance_variance(*map(len, pair)) for pair in pairs]))
    whole = chance_variance(int(forget.sum()), int(holdout.sum()))
    found = float(np.var(aucs, ddof=1))
    variance = min(found, chance) * whole / chance + max(0.0, found - chance)
    reach = stats.t.ppf(0.5 + LEVEL / 2, n - 1) * np.sqrt(variance * (1 + 1 / n))
    mean = float(np.mean(aucs))
    return Measurement("null_auc", mean, float(mean - reach), float(mean + reach), n)


def shadow_scores(
    part: Outputs, shadows: ShadowOutputs, attack: Attack, which: IntArray
) -> FloatArray:
    """Score shadows as targets, each by the others: (len(which), n), NaN where it saw them."""
    if isinstance(attack, Calibrated):
        return attack.score_shadows(attack.signals(part, shadows), which)
    scores = np.full(shadows.seen.shape, np.nan)
    for shadow, (target, others) in enumerate(shadow_targets(part, shadows)):
        if shadow in which:
            scores[shadow, ~shadows.seen[shadow]] = attack.score(target, others)
    return scores[which]
