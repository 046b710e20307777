"""Fine-tuning on the retain set, the simplest baseline."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from unlearning.domain import TrainingSets
from unlearning.methods import METHODS
from unlearning.training.loop import Progress, Training, train


@METHODS.register
@dataclass(frozen=True, kw_only=True)
class FineTune:
    """Go on training on the retain set and hope that the rest fades.

    It is the loop that trained the original, whose momentum looks ahead (Nesterov); SFR-on's
    baseline has plain momentum. Else the defaults are those of that baseline for CIFAR-10: SGD
    .01, momentum .9, weight decay 5e-4, cosine over 10 epochs, batches of 128.
    """

    name: ClassVar[str] = "finetune"
    paper: ClassVar[str] = "baseline FT of Huang et al., SFR-on (2024)"
    needs: ClassVar[frozenset[str]] = frozenset({"retain"})
    exact: ClassVar[bool] = False

    epochs: int = 10
    learning_rate: float = 0.01
    batch_size: int = 128
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: str = "cosine"
    augmentation: str = "none"
    precision: str = "auto"
    lipschitz: float | None = None

    def __post_init__(self) -> None:
        """Refuse settings that the training loop refuses."""
        self._training()

    def _training(self) -> Training:
        return Training(
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            augmentation=self.augmentation,
            precision=self.precision,
            schedule=self.schedule,
            lipschitz=self.lipschitz,
        )

    def unlearn(
        self, original: nn.Module, split: TrainingSets, rng: torch.Generator, progress: Progress
    ) -> nn.Module:
        """Train a copy of the original on the retain set."""
        candidate = train(deepcopy(original), split.retain, self._training(), rng, progress)
        return candidate.train(original.training)

    def passes(self, forget: int, retain: int) -> int:
        """Every retain example in every epoch."""
        return self.epochs * retain

    def report(
        self, original: nn.Module, candidate: nn.Module, split: TrainingSets
    ) -> dict[str, float]:
        """Report nothing of its own."""
        return {}
