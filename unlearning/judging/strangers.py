"""Whether a candidate learned the strangers: the holdout set, which it is compared with.

Who trained on the holdout set makes strangers look like members, and his forget set like theirs.
Nobody has a reason to know the holdout set better than the test set.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from unlearning.domain import FloatArray, Group, IntArray, Measurement
from unlearning.gates.suspicions import LEARNED
from unlearning.judging.trial import Trial, within
from unlearning.statistics.finite import all_finite
from unlearning.statistics.intervals import (
    LEVEL,
    NOTHING,
    Interval,
    placements,
    variance_of_mean,
)
from unlearning.statistics.signals import scaled_confidence


def learned_strangers(trial: Trial, classes: IntArray) -> Measurement:
    """Measure by how much the AUC of confidence, holdout against test, exceeds the champion's.

    Of these classes, which are judged. The champion is whom the auditor knows: where holdout and
    test set differ by themselves, or strangers were chosen, it shows that too, and the same
    examples make most of chance fall out.
    """
    own = trial.candidate
    alike = np.isin(own.labels, classes)
    holdout, test = own.of(Group.HOLDOUT) & alike, own.of(Group.TEST) & alike
    after, before = (scaled_confidence(of.logits, of.labels) for of in (own, trial.champion))
    people = own.subjects[holdout], own.subjects[test]
    pairs = [(of[holdout], of[test]) for of in (after, before)]
    return within(LEARNED, auc_difference(pairs[0], pairs[1], *people), int(holdout.sum()))


def auc_difference(
    first: tuple[FloatArray, FloatArray],
    second: tuple[FloatArray, FloatArray],
    member_subjects: IntArray,
    other_subjects: IntArray,
) -> Interval:
    """AUC of the first pair of scores less that of the second, over the same examples.

    By the placements' differences on both sides (DeLong et al. 1988), clustered by subjects as in
    `auc_interval`. One subject alone gives [-1, 1]; an empty side, or scores that are not finite,
    give no number at all.
    """
    if not (len(first[0]) and len(first[1]) and all_finite(*first, *second)):
        return NOTHING
    members = placements(*first) - placements(*second)
    others = placements(*first[::-1]) - placements(*second[::-1])
    value = float(members.mean())
    subjects = min(len(np.unique(member_subjects)), len(np.unique(other_subjects)))
    if subjects < 2:
        return Interval(value, -1.0, 1.0)
    variance = variance_of_mean(members, member_subjects)
    variance += variance_of_mean(others, other_subjects)
    reach = float(stats.t.ppf(0.5 + LEVEL / 2, subjects - 1) * np.sqrt(variance))
    return Interval(value, max(-1.0, value - reach), min(1.0, value + reach))
