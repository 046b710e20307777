"""Selective synaptic dampening: weights that matter most to the forget set shrink, untrained."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from unlearning.domain import TrainingSets
from unlearning.errors import UsageError
from unlearning.methods import METHODS
from unlearning.training.loop import Progress
from unlearning.training.saliency import fisher

GRADIENTS = ("examples", "batches")


@METHODS.register
@dataclass(frozen=True, kw_only=True)
class SelectiveDampening:
    """Shrink each weight with I_forget > selection * I_all by min(1, strength * I_all / I_forget).

    I is the diagonal Fisher information. I_all is that on the whole training set, as in the paper
    (Eq. 4), so that the forget set is part of both: I_forget / I_all cannot exceed 1 / share, where
    `share` of the training set is forgotten. The published selection (alpha) of 10 therefore says
    something only below 10 %, and less the nearer to it; at 10 % it selects no weight at all. Such
    a selection is refused rather than followed. strength (lambda): 1, as for ResNet-18.
    gradients: `examples` squares each example's gradient, as the paper has it, `batches` that of
    each batch of `batch_size`, as its code does.
    """

    name: ClassVar[str] = "ssd"
    paper: ClassVar[str] = "Foster et al., SSD (2024)"
    needs: ClassVar[frozenset[str]] = frozenset({"forget", "retain"})
    exact: ClassVar[bool] = False

    selection: float = 10.0
    strength: float = 1.0
    gradients: str = "examples"
    batch_size: int = 64

    def __post_init__(self) -> None:
        """Refuse settings without a meaning."""
        if self.gradients not in GRADIENTS or min(self.selection, self.strength) <= 0:
            raise UsageError(
                f"ssd: got gradients {self.gradients!r}, selection {self.selection}, strength "
                f"{self.strength}; expected one of {GRADIENTS}, above 0, above 0"
            )

    def unlearn(
        self, original: nn.Module, split: TrainingSets, rng: torch.Generator, progress: Progress
    ) -> nn.Module:
        """Dampen a copy of the original; UsageError if the selection can select nothing."""
        self._require_selective(len(split.forget), len(split.retain))
        candidate = deepcopy(original)
        weights = [p for p in candidate.parameters() if p.requires_grad]
        factors = self._factors(original, split)
        with torch.no_grad():
            for weight, factor in zip(weights, factors, strict=True):
                weight.mul_(factor.to(weight.device))
        progress(1, 1, 0.0)
        return candidate

    def _require_selective(self, forget: int, retain: int) -> None:
        largest = (forget + retain) / forget
        if self.selection >= largest:
            raise UsageError(
                f"ssd.selection: got {self.selection:g}, expected less than {largest:.3g}: where "
                f"{1 / largest:.1%} of the training set is forgotten, no weight's forget "
                "information is more than so many times that on the whole"
            )

    def _factors(self, original: nn.Module, split: TrainingSets) -> list[Tensor]:
        """Give each weight's factor; the whole set's information is the two parts' together."""
        forget, retain = (
            fisher(original, part, gradients=self.gradients, batch_size=self.batch_size)
            for part in (split.forget, split.retain)
        )
        share = len(split.forget) / (len(split.forget) + len(split.retain))
        return [
            dampening(f, share * f + (1 - share) * r, self.selection, self.strength)
            for f, r in zip(forget, retain, strict=True)
        ]

    def passes(self, forget: int, retain: int) -> int:
        """One pass over all training examples."""
        return forget + retain

    def report(
        self, original: nn.Module, candidate: nn.Module, split: TrainingSets
    ) -> dict[str, float]:
        """Give the fraction of weights that were dampened."""
        factors = self._factors(original, split)
        changed = sum(float((f < 1).sum()) for f in factors)
        return {"dampened_share": changed / sum(f.numel() for f in factors)}


def dampening(forget: Tensor, everything: Tensor, selection: float, strength: float) -> Tensor:
    """Give each weight's factor: below 1 where its forget information stands out."""
    factor = (strength * everything / forget.clamp_min(torch.finfo(forget.dtype).tiny)).clamp_max(1)
    return torch.where(forget > selection * everything, factor, torch.ones_like(factor))
