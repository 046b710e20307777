"""The loss attack: members have a smaller loss. It is not calibrated per example."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from unlearning.attacks import ATTACKS
from unlearning.domain import FloatArray, Outputs, ShadowOutputs
from unlearning.statistics.signals import log_confidence


@ATTACKS.register
@dataclass(frozen=True, kw_only=True)
class Loss:
    """Score by log p of the true class, the negative loss (Yeom et al. 2018)."""

    name: ClassVar[str] = "loss"
    paper: ClassVar[str] = "Yeom et al. 2018"
    runs: ClassVar[str] = "benchmark methods"

    def score(self, target: Outputs, shadows: ShadowOutputs) -> FloatArray:
        """Score every example; the shadows are not read."""
        return log_confidence(target.logits, target.labels)
