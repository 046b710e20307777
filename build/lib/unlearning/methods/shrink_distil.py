"""Shrink, perturb, distil: most of the weights goes, and the original teaches what is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from unlearning import networks
from unlearning.bodies import Whitening
from unlearning.domain import Examples, TrainingSets
from unlearning.errors import UsageError
from unlearning.methods import METHODS
from unlearning.training.descent import Descending, Descent, Loader
from unlearning.training.distillation import Teacher, kl_from
from unlearning.training.loop import Progress


@METHODS.register
@dataclass(frozen=True, kw_only=True)
class ShrinkDistil(Descending):
    """Distil the original on retained examples into its own weights, shrunk and perturbed.

    weights = shrink * original + noise * fresh ones, with fresh batch-norm statistics; shrink 0 and
    noise 1 begin anew. loss = KL(original || student). retain_share: how much of the retain set is
    used, the same examples in every epoch. It reads no forget example: what the teacher remembers
    of these it can tell by its answers to others only, and by the weights that are left.
    """

    name: ClassVar[str] = "shrink_distil"
    paper: ClassVar[str] = (
        "shrink and perturb, Ash and Adams (2020); distillation, Hinton et al. (2015)"
    )
    needs: ClassVar[frozenset[str]] = frozenset({"retain"})
    exact: ClassVar[bool] = False

    epochs: int = 3
    learning_rate: float = 0.1
    batch_size: int = 64
    schedule: str = "one_cycle"
    shrink: float = 0.2
    noise: float = 0.3
    retain_share: float = 1.0

    def __post_init__(self) -> None:
        """Refuse settings without a meaning."""
        super().__post_init__()
        if not 0 <= self.shrink <= 1 or self.noise < 0 or not 0 < self.retain_share <= 1:
            raise UsageError(
                f"shrink_distil: got shrink {self.shrink}, noise {self.noise}, retain_share "
                f"{self.retain_share}; expected 0 to 1, at least 0, a fraction above 0"
            )

    def unlearn(
        self, original: nn.Module, split: TrainingSets, rng: torch.Generator, progress: Progress
    ) -> nn.Module:
        """Let the original teach what is left of it."""
        student = self._shrunk(original, rng)
        part = self._part(split.retain, rng)
        loader = Loader(part, self, rng)
        teacher = Teacher(original, loader, augmented=self.augmentation != "none")
        descent = Descent(student, self, self.factor(self.epochs * len(loader)))
        for epoch in range(self.epochs):
            for batch in loader.epoch():
                target = teacher(batch).softmax(1)
                descent.step(kl_from(target, descent(batch.images)).mean())
                descent.tick()
            descent.end_epoch(epoch + 1, self.epochs, progress)
        return descent.finished()

    def _shrunk(self, original: nn.Module, rng: torch.Generator) -> nn.Module:
        """Begin from a fresh network, whose statistics stay; so do frozen weights, as they are."""
        if not isinstance(original, networks.Classifier):
            raise UsageError("shrink_distil: the original carries no recipe; expected a Classifier")
        made = networks.build(original.recipe, rng).to(next(original.parameters()).device)
        frozen = original.recipe.head is not None
        if frozen:
            made.load_state_dict(original.state_dict() | _of_head(made))
        with torch.no_grad():
            for mine, old in zip(made.parameters(), original.parameters(), strict=True):
                mine.requires_grad_(old.requires_grad)
                if old.requires_grad:
                    mine.mul_(self.noise).add_(self.shrink * old)
        for own, given in zip(made.modules(), original.modules(), strict=True):
            if isinstance(given, Whitening):  # what is left of the weights reads these axes
                own.load_state_dict(given.state_dict())
        return made.train(original.training)

    def _part(self, retain: Examples, rng: torch.Generator) -> Examples:
        if self.retain_share == 1.0:
            return retain
        order = torch.randperm(len(retain), generator=rng)
        return retain.take(order[: self._size(len(retain))].numpy())

    def _size(self, retain: int) -> int:
        return max(1, round(self.retain_share * retain))

    def passes(self, forget: int, retain: int) -> int:
        """Every example in every epoch, and forward alone to the teacher: once, or augmented."""
        size = self._size(retain)
        asked = size if self.augmentation == "none" else self.epochs * size
        return self.epochs * size + round(asked / 3)

    def report(
        self, original: nn.Module, candidate: nn.Module, split: TrainingSets
    ) -> dict[str, float]:
        """Report nothing of its own."""
        return {}


def _of_head(network: networks.Classifier) -> dict[str, torch.Tensor]:
    """Give the weights of a network's own last layer, by their names in all of it."""
    own = {id(part) for part in network.last_layer.parameters()}
    return {name: part for name, part in network.named_parameters() if id(part) in own}
