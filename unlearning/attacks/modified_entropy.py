"""The modified entropy attack: members get sure and right answers. Not calibrated per example."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from unlearning.attacks import ATTACKS
from unlearning.domain import FloatArray, Outputs, ShadowOutputs
from unlearning.statistics import entropies


@ATTACKS.register
@dataclass(frozen=True, kw_only=True)
class ModifiedEntropy:
    """Score by the negative modified entropy, in nats (Song and Mittal 2021, Eq. 8).

    The formula of the paper, not that of public unlearning code; see
    unlearning.statistics.entropies.
    """

    name: ClassVar[str] = "modified_entropy"
    paper: ClassVar[str] = "Song and Mittal 2021"
    runs: ClassVar[str] = "library"

    def score(self, target: Outputs, shadows: ShadowOutputs) -> FloatArray:
        """Score every example; the shadows are not read."""
        return -entropies.modified_entropy(target.logits, target.labels)
