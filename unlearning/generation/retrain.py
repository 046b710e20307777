"""Exact retraining of a generator: the yardstick, and the last rung of its ladder."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch

from unlearning.domain import TrainingSets
from unlearning.generation import FORGETTERS
from unlearning.generation.contract import Forgotten
from unlearning.generation.fitting import Fitting, fitted
from unlearning.generation.generators import Generator
from unlearning.training.loop import Progress


@FORGETTERS.register
@dataclass(frozen=True, kw_only=True)
class GeneratorRetrain:
    """Train from fresh weights on the retain set, as the original was trained.

    What is sampled is the average of the weights, as of any generator that is trained here.
    """

    name: ClassVar[str] = "retrain"
    paper: ClassVar[str] = "exact by construction"
    needs: ClassVar[frozenset[str]] = frozenset({"retain"})
    exact: ClassVar[bool] = True

    fitting: Fitting = field(default_factory=Fitting)

    def forget(
        self, original: Generator, sets: TrainingSets, rng: torch.Generator, progress: Progress
    ) -> Forgotten:
        """Train a network of the original's recipe; nothing of its weights is read."""
        average, raw = fitted(original.recipe, sets.retain, self.fitting, rng, progress)
        return Forgotten(average, raw, average)

    def passes(self, forget: int, retain: int) -> int:
        """Every picture of every step."""
        return self.fitting.steps * self.fitting.batch_size
