"""Bad teaching: the student listens to an incompetent teacher about what is to be forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from unlearning import networks
from unlearning.domain import TrainingSets, joined
from unlearning.errors import UsageError
from unlearning.methods import METHODS
from unlearning.training.descent import Descending, Descent, Loader
from unlearning.training.distillation import Teacher, kl_from
from unlearning.training.loop import Progress

REDUCTIONS = ("examples", "elements")


@METHODS.register
@dataclass(frozen=True, kw_only=True)
class BadTeacher(Descending):
    """Distil an untrained network on the forget set and the original on the retain set.

    loss = KL(u T_bad + (1 - u) T_original || student), u = 1 on forget examples. reduction: mean
    over `examples`, as the paper writes it, or over `elements` as its code does, `classes` times
    smaller; SFR-on's rate of .02 was chosen for the latter and is .002 here for ten classes.
    temperature: of teachers and student. retain_share: how much of the retain set is used, the
    same examples in every epoch; the authors use .3 for one epoch.
    """

    name: ClassVar[str] = "bad_teacher"
    paper: ClassVar[str] = "Chundawat et al., Bad Teacher (AAAI 2023)"
    needs: ClassVar[frozenset[str]] = frozenset({"forget", "retain"})
    exact: ClassVar[bool] = False

    learning_rate: float = 0.002
    temperature: float = 1.0
    reduction: str = "examples"
    retain_share: float = 1.0

    def __post_init__(self) -> None:
        """Refuse settings without a meaning."""
        super().__post_init__()
        if (
            self.reduction not in REDUCTIONS
            or self.temperature <= 0
            or not 0 < self.retain_share <= 1
        ):
            raise UsageError(
                f"bad_teacher: got reduction {self.reduction!r}, temperature {self.temperature}, "
                f"retain_share {self.retain_share}; expected one of {REDUCTIONS}, above 0, a "
                "fraction above 0"
            )

    def unlearn(
        self, original: nn.Module, split: TrainingSets, rng: torch.Generator, progress: Progress
    ) -> nn.Module:
        """Distil both teachers into a copy of the original."""
        if not isinstance(original, networks.Classifier):
            raise UsageError("bad_teacher: the original carries no recipe; expected a Classifier")
        bad = networks.build(original.recipe, rng)
        part = self._retained(len(split.retain), rng)
        loader = Loader(joined(split.forget, split.retain.take(part.numpy())), self, rng)
        augmented = self.augmentation != "none"
        teachers = [Teacher(network, loader, augmented=augmented) for network in (bad, original)]
        descent = Descent(original, self, self.factor(self.epochs * len(loader)))
        for epoch in range(self.epochs):
            for batch in loader.epoch():
                forgotten = (batch.index < len(split.forget)).float()[:, None]
                wanted = [(teacher(batch) / self.temperature).softmax(1) for teacher in teachers]
                target = forgotten * wanted[0] + (1 - forgotten) * wanted[1]
                descent.step(self._loss(target, descent(batch.images)))
                descent.tick()
            descent.end_epoch(epoch + 1, self.epochs, progress)
        return descent.finished()

    def _retained(self, n: int, rng: torch.Generator) -> Tensor:
        if self.retain_share == 1.0:
            return torch.arange(n)
        return torch.randperm(n, generator=rng)[: max(1, round(self.retain_share * n))]

    def _loss(self, target: Tensor, logits: Tensor) -> Tensor:
        mean = kl_from(target, logits / self.temperature).mean()
        return mean if self.reduction == "examples" else mean / logits.shape[1]

    def passes(self, forget: int, retain: int) -> int:
        """Every example used, in every epoch; both teachers once if nothing is augmented."""
        used = forget + max(1, round(self.retain_share * retain))
        asked = self.epochs if self.augmentation != "none" else 1
        return self.epochs * used + round(asked * used * 2 / 3)

    def report(
        self, original: nn.Module, candidate: nn.Module, split: TrainingSets
    ) -> dict[str, float]:
        """Report nothing of its own."""
        return {}
