"""Selective synaptic dampening: weights that matter most to the forget set shrink, untrained."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from unlearning.domain import Split, joined
from unlearning.errors import UsageError
from unlearning.methods import METHODS
from unlearning.training.loop import Progress
from unlearning.training.saliency import fisher

GRADIENTS = ("examples", "batches")


@METHODS.register
@dataclass(frozen=True, kw_only=True)
class SelectiveDampening:
    """Shrink each weight with I_forget > selection * I_all by min(1, strength * I_all / I_forget).

    I is the diagonal Fisher information on the whole training set and on the forget set. selection
    (alpha) 10 and strength (lambda) 1: the paper's for ResNet-18. gradients: `examples` squares
    each example's gradient, as the paper has it, `batches` that of each batch, as its code does.
    """

    name: ClassVar[str] = "ssd"
    paper: ClassVar[str] = "Foster et al., SSD (2024)"
    needs: ClassVar[frozenset[str]] = frozenset({"forget", "retain"})
    exact: ClassVar[bool] = False

    selection: float = 10.0
    strength: float = 1.0
    gradients: str = "batches"
    batch_size: int = 64

    def __post_init__(self) -> None:
        """Refuse settings without a meaning."""
        if self.gradients not in GRADIENTS or min(self.selection, self.strength) <= 0:
            raise UsageError(
                f"ssd: got gradients {self.gradients!r}, selection {self.selection}, strength "
                f"{self.strength}; expected one of {GRADIENTS}, above 0, above 0"
            )

    def unlearn(
        self, original: nn.Module, split: Split, rng: torch.Generator, progress: Progress
    ) -> nn.Module:
        """Dampen a copy of the original."""
        candidate = deepcopy(original)
        weights = [p for p in candidate.parameters() if p.requires_grad]
        factors = self._factors(original, split)
        with torch.no_grad():
            for weight, factor in zip(weights, factors, strict=True):
                weight.mul_(factor.to(weight.device))
        progress(1, 1, 0.0)
        return candidate

    def _factors(self, original: nn.Module, split: Split) -> list[Tensor]:
        forget, everything = (
            fisher(original, part, gradients=self.gradients, batch_size=self.batch_size)
            for part in (split.forget, joined(split.forget, split.retain))
        )
        return [
            dampening(f, a, self.selection, self.strength)
            for f, a in zip(forget, everything, strict=True)
        ]

    def passes(self, forget: int, retain: int) -> int:
        """One pass over all training examples and one more over the forget set."""
        return 2 * forget + retain

    def report(self, original: nn.Module, candidate: nn.Module, split: Split) -> dict[str, float]:
        """Give the fraction of weights that were dampened."""
        factors = self._factors(original, split)
        changed = sum(float((f < 1).sum()) for f in factors)
        return {"dampened_share": changed / sum(f.numel() for f in factors)}


def dampening(forget: Tensor, everything: Tensor, selection: float, strength: float) -> Tensor:
    """Give each weight's factor: below 1 where its forget information stands out."""
    factor = (strength * everything / forget.clamp_min(torch.finfo(forget.dtype).tiny)).clamp_max(1)
    return torch.where(forget > selection * everything, factor, torch.ones_like(factor))
