"""LiRA that whoever moved the answers cannot fool: each example's rank, beside the shadows' rank.

LiRA compares a network's confidence with the shadows' on their scale. Whoever shrinks, shifts,
clips or maps the logits leaves that scale, and its score becomes the example's difficulty. But the
holder of a network knows its answers on strangers, and can undo any such map. So here a network is
measured by its own strangers: an example counts as remembered if it is answered more surely than
holdout examples are that the shadows find equally hard, class by class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import stats

from unlearning.attacks import ATTACKS
from unlearning.attacks.lira import off_mean, refuse_few
from unlearning.bank.calibration import Calibrated, Signals
from unlearning.domain import BoolArray, FloatArray, IntArray
from unlearning.statistics.signals import scaled_confidence


@ATTACKS.register
@dataclass(frozen=True, kw_only=True)
class LiraRecalibrated(Calibrated):
    """What is left of a network's confidence when its own strangers have explained it.

    The signal log(p / (1 - p)) of the true class (Carlini et al. 2022, section IV-C) and the mean
    signal of the shadows that never saw the example both become normal scores of their ranks among
    the holdout examples. Over these, the first is regressed on the second and on the class; the
    score is the residual. It changes with no map of the answers that keeps the order of their
    confidence within a class: temperature, bias, calibration.

    prior: holdout examples' worth of weight with which a class is taken to be like the others.
    """

    name: ClassVar[str] = "lira_recalibrated"
    paper: ClassVar[str] = "after Carlini et al. 2022, section IV; recalibration: this project"
    runs: ClassVar[str] = "gate forgetting; benchmark methods"

    prior: float = 5.0

    def signal(self, logits: FloatArray, labels: IntArray) -> FloatArray:
        """Give log(p / (1 - p)) of the true class."""
        return scaled_confidence(logits, labels)

    def compare(self, signals: Signals) -> FloatArray:
        """Score every example; raises UsageError where fewer than two shadows never saw one."""
        unseen = ~signals.seen
        refuse_few(self.name, unseen, 2, "never saw it")
        expected = np.where(unseen, signals.shadows, 0).sum(0) / unseen.sum(0)
        return self._residual(signals.target, expected, signals.labels, signals.holdout)

    def score_shadows(self, signals: Signals, which: IntArray) -> FloatArray:
        """Score each shadow by the others, of which three must never have seen an example.

        Leaving the one at m + d out of c values with mean m moves the mean by -d / (c - 1).
        """
        unseen = ~signals.seen
        refuse_few(self.name, unseen, 3, "never saw it")
        count, off = unseen.sum(0), off_mean(signals)
        expected = signals.shadows - off * count / (count - 1)
        scores = np.full((len(which), signals.seen.shape[1]), np.nan)
        for row, shadow in enumerate(which):
            out = unseen[shadow]
            own = signals.shadows[shadow, out], expected[shadow, out]
            scores[row, out] = self._residual(*own, signals.labels[out], signals.holdout[out])
        return scores

    def _residual(
        self, target: FloatArray, expected: FloatArray, labels: IntArray, holdout: BoolArray
    ) -> FloatArray:
        if not holdout.any():
            return np.zeros(len(target))
        own, theirs = (normal_scores(x, x[holdout]) for x in (target, expected))
        classes = labels[:, None] == np.unique(labels)
        design = np.column_stack([np.ones(len(own)), theirs, classes])
        known = design[holdout]
        held = np.diag([0.0, 0.0, *np.full(classes.shape[1], self.prior)])
        fitted = np.linalg.lstsq(known.T @ known + held, known.T @ own[holdout], rcond=None)[0]
        return np.asarray(own - design @ fitted)


def normal_scores(values: FloatArray, among: FloatArray) -> FloatArray:
    """Give the normal quantile of each value's rank among others, ties counting half, (n,)."""
    ordered = np.sort(among)
    below = np.searchsorted(ordered, values, side="left")
    up_to = np.searchsorted(ordered, values, side="right")
    return np.asarray(stats.norm.ppf(((below + up_to) / 2 + 0.5) / (len(among) + 1)))
