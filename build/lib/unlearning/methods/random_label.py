"""Random labels: learn something else about the forget set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from unlearning.domain import TrainingSets, joined
from unlearning.errors import UsageError
from unlearning.methods import METHODS
from unlearning.training.descent import Descending, Descent, Loader, Masks
from unlearning.training.loop import Progress

LABEL_POLICIES = ("fixed", "per_epoch")
ORDERS = ("mixed", "sequential", "forget_only")


def random_labels(
    labels: Tensor, classes: int, rng: torch.Generator, *, exclude_true: bool
) -> Tensor:
    """Draw a uniform label for each, (n,); `exclude_true` leaves the true one out."""
    if not exclude_true:
        return torch.randint(classes, labels.shape, generator=rng).to(labels.device)
    shift = torch.randint(1, classes, labels.shape, generator=rng).to(labels.device)
    return (labels + shift) % classes


@METHODS.register
@dataclass(frozen=True, kw_only=True)
class RandomLabel(Descending):
    """Train on the forget set with random labels and on the retain set with its own.

    Three published algorithms share this name. SFR-on's (the defaults): wrong labels drawn once
    (`label_policy: fixed`, `exclude_true`), both sets shuffled together (`order: mixed`). SalUn's
    for CIFAR-10: labels drawn anew in each epoch, the true one among them, all forget batches
    before all retain batches (`per_epoch`, not `exclude_true`, `sequential`). AMUN's: wrong labels
    drawn anew at each access (`per_epoch`, `exclude_true`, `mixed`). `order: forget_only` reads no
    retain data. Rate and epochs: SFR-on, CIFAR-10.
    """

    name: ClassVar[str] = "random_label"
    paper: ClassVar[str] = "baseline RL, Golatkar et al. 2020, in SFR-on, SalUn and AMUN"
    needs: ClassVar[frozenset[str]] = frozenset({"forget", "retain"})
    exact: ClassVar[bool] = False

    epochs: int = 10
    learning_rate: float = 0.003
    label_policy: str = "fixed"
    exclude_true: bool = True
    order: str = "mixed"

    def __post_init__(self) -> None:
        """Refuse words without a meaning."""
        super().__post_init__()
        if self.label_policy not in LABEL_POLICIES or self.order not in ORDERS:
            raise UsageError(
                f"{self.name}: got label_policy {self.label_policy!r} and order {self.order!r}, "
                f"expected one of {LABEL_POLICIES} and of {ORDERS}"
            )

    def unlearn(
        self, original: nn.Module, split: TrainingSets, rng: torch.Generator, progress: Progress
    ) -> nn.Module:
        """Train a copy of the original."""
        return self._relabelled(original, split, rng, progress, masks=None, restore=True)

    def _relabelled(
        self,
        original: nn.Module,
        split: TrainingSets,
        rng: torch.Generator,
        progress: Progress,
        *,
        masks: Masks | None,
        restore: bool,
    ) -> nn.Module:
        loaders = self._loaders(split, rng)
        steps = self.epochs * sum(len(loader) for loader in loaders)
        descent = Descent(original, self, self.factor(steps), masks=masks, restore=restore)
        true = loaders[0].labels[: len(split.forget)].clone()
        for epoch in range(self.epochs):
            if epoch == 0 or self.label_policy == "per_epoch":
                drawn = random_labels(true, split.classes, rng, exclude_true=self.exclude_true)
                loaders[0].labels[: len(true)] = drawn
            for loader in loaders:
                for batch in loader.epoch():
                    descent.step(functional.cross_entropy(descent(batch.images), batch.labels))
                    descent.tick()
            descent.end_epoch(epoch + 1, self.epochs, progress)
        return descent.finished()

    def _loaders(self, split: TrainingSets, rng: torch.Generator) -> list[Loader]:
        """Give what one epoch goes through in order; the first begins with the forget set."""
        if self.order == "mixed":
            return [Loader(joined(split.forget, split.retain), self, rng)]
        forget = Loader(split.forget, self, rng)
        return (
            [forget] if self.order == "forget_only" else [forget, Loader(split.retain, self, rng)]
        )

    def passes(self, forget: int, retain: int) -> int:
        """Every example that is read, in every epoch."""
        return self.epochs * (forget + (0 if self.order == "forget_only" else retain))

    def report(
        self, original: nn.Module, candidate: nn.Module, split: TrainingSets
    ) -> dict[str, float]:
        """Report nothing of its own."""
        return {}
