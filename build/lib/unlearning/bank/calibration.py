"""Attacks that read one number off each answer and hold it against what the shadows answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from unlearning.domain import BoolArray, FloatArray, Group, IntArray, Outputs, ShadowOutputs


@dataclass(frozen=True, eq=False)
class Signals:
    """One number an answer, on the same examples in the same order.

    target: (n,) float64. shadows: (shadows, n) float64. seen: (shadows, n), as in ShadowOutputs.
    holdout: (n,), True for the examples that nobody trained on. labels: (n,).
    """

    target: FloatArray
    shadows: FloatArray
    seen: BoolArray
    holdout: BoolArray
    labels: IntArray

    def of_shadow(self, shadow: int) -> Signals:
        """Take one shadow for the target, on the examples that it never saw, beside the others."""
        unseen = ~self.seen[shadow]
        others = np.arange(len(self.shadows)) != shadow
        return Signals(
            self.shadows[shadow, unseen],
            self.shadows[others][:, unseen],
            self.seen[others][:, unseen],
            self.holdout[unseen],
            self.labels[unseen],
        )


class Calibrated(ABC):
    """An attack that is a signal and a comparison; both are pure and vectorised."""

    @abstractmethod
    def signal(self, logits: FloatArray, labels: IntArray) -> FloatArray:
        """Read the signal off answers (..., n, classes) with labels (n,): (..., n) float64."""

    @abstractmethod
    def compare(self, signals: Signals) -> FloatArray:
        """Score every example by its signal and the shadows', (n,) float64."""

    def signals(self, target: Outputs, shadows: ShadowOutputs) -> Signals:
        """Read all signals once."""
        return Signals(
            self.signal(target.logits, target.labels),
            self.signal(shadows.logits, target.labels),
            shadows.seen,
            target.of(Group.HOLDOUT),
            target.labels,
        )

    def score(self, target: Outputs, shadows: ShadowOutputs) -> FloatArray:
        """Score every example, (n,) float64."""
        return self.compare(self.signals(target, shadows))

    def score_shadows(self, signals: Signals, which: IntArray) -> FloatArray:
        """Score shadows as targets, each calibrated by the others: (len(which), n).

        NaN where the shadow saw the example. `signals.target` is not read.
        """
        scores = np.full((len(which), signals.seen.shape[1]), np.nan)
        for row, shadow in enumerate(which):
            scores[row, ~signals.seen[shadow]] = self.compare(signals.of_shadow(shadow))
        return scores
