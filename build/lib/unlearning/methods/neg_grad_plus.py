"""NegGrad+: ascent on the forget set held back by descent on the retain set."""

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
class NegGradPlus(Descending):
    """Descend balance * loss(retain batch) - (1 - balance) * loss(forget batch).

    One epoch goes over the retain set once, with a forget batch beside each retain batch. The
    paper tunes the balance and the rate for each data set; the defaults here are ours.
    """

    name: ClassVar[str] = "neg_grad_plus"
    paper: ClassVar[str] = "NegGrad+, Kurmanji et al., SCRUB (2023), section 5"
    needs: ClassVar[frozenset[str]] = frozenset({"forget", "retain"})
    exact: ClassVar[bool] = False

    epochs: int = 5
    balance: float = 0.95

    def __post_init__(self) -> None:
        """Refuse settings without a meaning."""
        super().__post_init__()
        if not 0 <= self.balance <= 1:
            raise UsageError(f"neg_grad_plus.balance: got {self.balance}, expected a fraction")

    def unlearn(
        self, original: nn.Module, split: TrainingSets, rng: torch.Generator, progress: Progress
    ) -> nn.Module:
        """Descend the balance of both losses on a copy of the original."""
        retain, forget = Loader(split.retain, self, rng), Loader(split.forget, self, rng)
        descent = Descent(original, self, self.factor(self.epochs * len(retain)))
        beside = forget.endless()
        for epoch in range(self.epochs):
            for kept in retain.epoch():
                gone = next(beside)
                down = functional.cross_entropy(descent(kept.images), kept.labels)
                up = functional.cross_entropy(descent(gone.images), gone.labels)
                descent.step(self.balance * down - (1 - self.balance) * up)
                descent.tick()
            descent.end_epoch(epoch + 1, self.epochs, progress)
        return descent.finished()

    def passes(self, forget: int, retain: int) -> int:
        """Every retain example in every epoch, and a forget batch beside each batch of them."""
        steps = -(-retain // self.batch_size)
        return self.epochs * (retain + steps * min(forget, self.batch_size))

    def report(
        self, original: nn.Module, candidate: nn.Module, split: TrainingSets
    ) -> dict[str, float]:
        """Report nothing of its own."""
        return {}
