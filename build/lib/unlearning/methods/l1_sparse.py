"""l1-sparse: fine-tuning on the retain set that pushes weights to 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional

from unlearning.domain import TrainingSets
from unlearning.errors import UsageError
from unlearning.methods import METHODS
from unlearning.training.descent import Descending, Descent, Loader
from unlearning.training.loop import Progress


@METHODS.register
@dataclass(frozen=True, kw_only=True)
class L1Sparse(Descending):
    """Descend loss(retain) + penalty_t ||theta||_1, the penalty falling linearly to 0.

    penalty: its first value; `dense_epochs` at the end have none. Rate and epochs are those of
    SalUn's fine-tuning baseline; the paper and its followers search the penalty for each data set.
    """

    name: ClassVar[str] = "l1_sparse"
    paper: ClassVar[str] = "Jia et al., l1-sparse MU (2023), section 4"
    needs: ClassVar[frozenset[str]] = frozenset({"retain"})
    exact: ClassVar[bool] = False

    penalty: float = 5e-4
    dense_epochs: int = 0

    def __post_init__(self) -> None:
        """Refuse settings without a meaning."""
        super().__post_init__()
        if self.penalty < 0 or not 0 <= self.dense_epochs <= self.epochs:
            raise UsageError(
                f"l1_sparse: got penalty {self.penalty}, dense_epochs {self.dense_epochs}; "
                "expected at least 0, and no more than epochs"
            )

    def penalty_at(self, epoch: int) -> float:
        """Give the penalty in an epoch, counted from 0."""
        sparse = self.epochs - self.dense_epochs
        return self.penalty * (1 - epoch / sparse) if epoch < sparse else 0.0

    def unlearn(
        self, original: nn.Module, split: TrainingSets, rng: torch.Generator, progress: Progress
    ) -> nn.Module:
        """Fine-tune a copy of the original."""
        loader = Loader(split.retain, self, rng)
        descent = Descent(original, self, self.factor(self.epochs * len(loader)))
        for epoch in range(self.epochs):
            for batch in loader.epoch():
                loss = functional.cross_entropy(descent(batch.images), batch.labels)
                size = torch.stack([p.abs().sum() for p in descent.parameters]).sum()
                descent.step(loss + self.penalty_at(epoch) * size)
                descent.tick()
            descent.end_epoch(epoch + 1, self.epochs, progress)
        return descent.finished()

    def passes(self, forget: int, retain: int) -> int:
        """Every retain example in every epoch."""
        return self.epochs * retain

    def report(
        self, original: nn.Module, candidate: nn.Module, split: TrainingSets
    ) -> dict[str, float]:
        """Give the fraction of weights that are practically 0."""
        flat = torch.cat([p.detach().flatten().abs() for p in candidate.parameters()])
        return {"share_below_1e-3": float((flat < 1e-3).float().mean())}
