"""Gradient ascent on the forget set's loss, the plainest way to make a network worse at it."""

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

STATISTICS = ("keep", "update")


@METHODS.register
@dataclass(frozen=True, kw_only=True)
class GradientAscent(Descending):
    """Climb the cross-entropy of the forget set, which has no top.

    Defaults: SFR-on's for CIFAR-10 (SGD 1e-4, 9 epochs, gradient norm clipped to .1, batch norm
    kept); SalUn's baseline lets batch norm follow the forget batches (`statistics: update`), 5
    epochs, without a clip. clip: 0 is none. floor: stop after the epoch in which the accuracy on
    the forget batches is at or below it (a fraction); 0 stops once none is right.
    """

    name: ClassVar[str] = "gradient_ascent"
    paper: ClassVar[str] = "baseline GA, Thudi et al. 2022, in Huang et al., SFR-on (2024)"
    needs: ClassVar[frozenset[str]] = frozenset({"forget"})
    exact: ClassVar[bool] = False

    epochs: int = 9
    learning_rate: float = 1e-4
    schedule: str = "constant"
    clip: float = 0.1
    statistics: str = "keep"
    floor: float = 0.0

    def __post_init__(self) -> None:
        """Refuse settings without a meaning."""
        super().__post_init__()
        if self.statistics not in STATISTICS or self.clip < 0 or not 0 <= self.floor <= 1:
            raise UsageError(
                f"gradient_ascent: got statistics {self.statistics!r}, clip {self.clip}, floor "
                f"{self.floor}; expected one of {STATISTICS}, at least 0, a fraction"
            )

    def unlearn(
        self, original: nn.Module, split: TrainingSets, rng: torch.Generator, progress: Progress
    ) -> nn.Module:
        """Climb on a copy of the original."""
        loader = Loader(split.forget, self, rng)
        steps = self.factor(self.epochs * len(loader))
        descent = Descent(original, self, steps, statistics=self.statistics)
        for epoch in range(self.epochs):
            right = torch.zeros((), device=descent.device)
            for batch in loader.epoch():
                logits = descent(batch.images)
                right += (logits.argmax(1) == batch.labels).sum()
                descent.step(
                    -functional.cross_entropy(logits, batch.labels), clip=self.clip or None
                )
                descent.tick()
            descent.end_epoch(epoch + 1, self.epochs, progress)
            if float(right) <= self.floor * len(split.forget):
                break
        return descent.finished()

    def passes(self, forget: int, retain: int) -> int:
        """Every forget example in every epoch; an upper bound, since it may stop earlier."""
        return self.epochs * forget

    def report(
        self, original: nn.Module, candidate: nn.Module, split: TrainingSets
    ) -> dict[str, float]:
        """Report nothing of its own."""
        return {}
