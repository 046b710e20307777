"""SalUn: random labels, for the weights that matter to the forget set alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from unlearning.domain import TrainingSets
from unlearning.errors import UsageError
from unlearning.methods import METHODS
from unlearning.methods.random_label import RandomLabel
from unlearning.training.loop import Progress
from unlearning.training.saliency import saliency, top_share


@METHODS.register
@dataclass(frozen=True, kw_only=True)
class SalUn(RandomLabel):
    """Train on random labels the weights with the largest gradient on the forget set.

    share: fraction of all weights that may move, ranked over the whole network (Eqs. 3-5). restore:
    hold the others exactly; without it momentum and weight decay move them, as when the published
    numbers were made. Batch-norm statistics follow the batches either way. Defaults: the authors'
    for CIFAR-10 (rate .013, 10 epochs, half of the weights); SFR-on's baseline: .007 and .2.
    """

    name: ClassVar[str] = "salun"
    paper: ClassVar[str] = "Fan et al., SalUn (2024), Eqs. 3-5"
    needs: ClassVar[frozenset[str]] = frozenset({"forget", "retain"})
    exact: ClassVar[bool] = False

    learning_rate: float = 0.013
    label_policy: str = "per_epoch"
    exclude_true: bool = False
    order: str = "sequential"
    share: float = 0.5
    restore: bool = True

    def __post_init__(self) -> None:
        """Refuse a share that is none."""
        super().__post_init__()
        if not 0 < self.share <= 1:
            raise UsageError(f"salun.share: got {self.share}, expected a fraction above 0")

    def unlearn(
        self, original: nn.Module, split: TrainingSets, rng: torch.Generator, progress: Progress
    ) -> nn.Module:
        """Find the salient weights of the original and train them on a copy."""
        values = saliency(original, split.forget, batch_size=self.batch_size)
        masks = top_share(values, self.share)
        return self._relabelled(original, split, rng, progress, masks=masks, restore=self.restore)

    def passes(self, forget: int, retain: int) -> int:
        """The saliency's pass over the forget set, then training."""
        return forget + super().passes(forget, retain)
