"""LiRA, offline: how far above what models that never saw it a network is sure of an example."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from unlearning.attacks import ATTACKS
from unlearning.domain import FloatArray, Outputs, ShadowOutputs
from unlearning.errors import UsageError
from unlearning.signals import scaled_confidence


@ATTACKS.register
@dataclass(frozen=True, kw_only=True)
class LiraOffline:
    """Calibrate each example by the shadows that never saw it (Carlini et al. 2022, Eq. 4).

    Score (phi - mean_out) / deviation_out, a monotone function of the paper's one-sided
    probability. A deviation from a few shadows is noise, so it is shrunk towards the one that all
    examples share: `prior` is how many shadows' worth of weight the shared one has (infinite: the
    paper's fixed variance).
    """

    name: ClassVar[str] = "lira_offline"
    paper: ClassVar[str] = "Carlini et al. 2022, section IV"

    prior: float = 16.0

    def score(self, target: Outputs, shadows: ShadowOutputs) -> FloatArray:
        """Score every example; raises UsageError where fewer than two shadows never saw one."""
        unseen = ~shadows.seen
        count = unseen.sum(0)
        if not len(count) or count.min() < 2:
            raise UsageError("lira_offline: an example has fewer than 2 shadows that never saw it")
        signals = scaled_confidence(shadows.logits, target.labels)
        mean = np.where(unseen, signals, 0).sum(0) / count
        squares = np.where(unseen, (signals - mean) ** 2, 0).sum(0)
        shared = squares.sum() / (count - 1).sum()
        shrunk = (squares + self.prior * shared) / (count - 1 + self.prior)
        deviation = np.sqrt(np.maximum(shrunk, np.finfo(np.float64).tiny))
        return np.asarray((scaled_confidence(target.logits, target.labels) - mean) / deviation)
