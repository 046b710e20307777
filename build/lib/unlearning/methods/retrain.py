"""Exact retraining: the yardstick, and the last rung of every ladder."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import nn

from unlearning import networks
from unlearning.domain import TrainingSets
from unlearning.errors import UsageError
from unlearning.heads.fitting import fitted
from unlearning.methods import METHODS
from unlearning.training.loop import Progress, Training, train


@METHODS.register
@dataclass(frozen=True, kw_only=True)
class Retrain:
    """Train from fresh weights on the retain set, as the original was trained."""

    name: ClassVar[str] = "retrain"
    paper: ClassVar[str] = "exact by construction"
    needs: ClassVar[frozenset[str]] = frozenset({"retain"})
    exact: ClassVar[bool] = True

    training: Training = field(default_factory=Training)

    def unlearn(
        self, original: nn.Module, split: TrainingSets, rng: torch.Generator, progress: Progress
    ) -> nn.Module:
        """Train a network of the original's recipe; nothing of its weights is read.

        Where a backbone is frozen, it is kept, and the head fitted from nothing.
        """
        if not isinstance(original, networks.Classifier):
            raise UsageError("retrain: the original carries no recipe; expected a Classifier")
        if original.recipe.head is not None:
            return fitted(original, split.retain)[0].train(original.training)
        fresh = networks.build(original.recipe, rng).to(next(original.parameters()).device)
        trained = train(fresh, split.retain, self.training, rng, progress)
        return trained.train(original.training)

    def passes(self, forget: int, retain: int) -> int:
        """Every retain example in every epoch."""
        return self.training.epochs * retain

    def report(
        self, original: nn.Module, candidate: nn.Module, split: TrainingSets
    ) -> dict[str, float]:
        """Report nothing: lineage is the evidence."""
        return {}
