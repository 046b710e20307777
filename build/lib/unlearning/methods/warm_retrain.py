"""Retraining that does not begin from nothing: from stored models that never saw the forget set."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from unlearning.domain import Examples, Handed, TrainingSets
from unlearning.errors import UsageError
from unlearning.methods import METHODS
from unlearning.outputs import logits_of
from unlearning.settings import between
from unlearning.training.distillation import kl_from
from unlearning.training.loop import Progress, Training, pick_device, train

TEACHERS = 3
"""Clean bases that `passes` counts: those of four shards that one person leaves."""


@METHODS.register
@dataclass(frozen=True, kw_only=True)
class WarmRetrain:
    """Go on from a base that never saw the forget set, taught by labels and by all such bases.

    It is handed clean bases alone, so nothing on its path ever saw what is forgotten. share: of the
    epochs of `training`. teaching: weight of the bases' mean answer, from 0, labels alone, to 1.
    """

    name: ClassVar[str] = "warm_retrain"
    paper: ClassVar[str] = "exact by lineage: from SISA's shards (Bourtoule et al. 2021), distilled"
    needs: ClassVar[frozenset[str]] = frozenset({"retain", "bases"})
    exact: ClassVar[bool] = True

    share: float = field(default=0.3, metadata=between(0, 1))
    teaching: float = field(default=0.0, metadata=between(0, 1))
    training: Training = field(default_factory=Training)

    def unlearn(
        self, original: nn.Module, split: TrainingSets, rng: torch.Generator, progress: Progress
    ) -> nn.Module:
        """Train a copy of the first base; nothing of the original's weights is read."""
        bases = split.bases if isinstance(split, Handed) else ()
        if not bases:
            raise UsageError("warm_retrain: got no clean base, expected one at least")
        placed = by_place(split.retain)
        loss = self._loss(split.retain, bases)
        home = next(original.parameters()).device
        candidate = train(deepcopy(bases[0]), placed, self._shortened(), rng, progress, loss)
        return candidate.to(home).train(original.training)

    def _loss(self, retain: Examples, bases: tuple[nn.Module, ...]) -> Taught:
        """Look up labels and teaching by the place of an example, which stands for its label."""
        device = pick_device()
        labels = torch.from_numpy(retain.labels).to(device)
        smoothing = self.training.label_smoothing
        if not self.teaching:
            return Taught(labels, None, 0.0, smoothing)
        answers = [torch.from_numpy(logits_of(base, retain)).softmax(1) for base in bases]
        return Taught(labels, torch.stack(answers).mean(0).to(device), self.teaching, smoothing)

    def _shortened(self) -> Training:
        return replace(self.training, epochs=self._epochs())

    def _epochs(self) -> int:
        return max(1, round(self.share * self.training.epochs))

    def passes(self, forget: int, retain: int) -> int:
        """Every retain example in each of its epochs, and once before each teacher."""
        return self._epochs() * retain + (retain * TEACHERS // 3 if self.teaching else 0)

    def report(
        self, original: nn.Module, candidate: nn.Module, split: TrainingSets
    ) -> dict[str, float]:
        """Report nothing: lineage is the evidence."""
        return {}


@dataclass(frozen=True, eq=False)
class Taught:
    """The loss of logits (n, classes) on examples at these places (n,)."""

    labels: Tensor
    answers: Tensor | None
    weight: float
    smoothing: float = 0.0

    def __call__(self, logits: Tensor, places: Tensor) -> Tensor:
        """Mix cross-entropy with the labels and divergence from the teachers' mean answer."""
        own = functional.cross_entropy(logits, self.labels[places], label_smoothing=self.smoothing)
        if self.answers is None:
            return own
        taught = kl_from(self.answers[places], logits).mean()
        return (1 - self.weight) * own + self.weight * taught


def by_place(examples: Examples) -> Examples:
    """Put each example's place where its label stood."""
    return replace(examples, labels=np.arange(len(examples)))
