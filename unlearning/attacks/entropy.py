"""The entropy attack: members get sure answers, right or wrong. Not calibrated per example."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from unlearning.attacks import ATTACKS
from unlearning.domain import FloatArray, Outputs, ShadowOutputs
from unlearning.statistics import entropies


@ATTACKS.register
@dataclass(frozen=True, kw_only=True)
class Entropy:
    """Score by the negative entropy of the answer, in nats (Salem et al. 2019, adversary 3)."""

    name: ClassVar[str] = "entropy"
    paper: ClassVar[str] = "Salem et al. 2019"
    runs: ClassVar[str] = "library"

    def score(self, target: Outputs, shadows: ShadowOutputs) -> FloatArray:
        """Score every example; neither labels nor shadows are read."""
        return -entropies.entropy(target.logits)
