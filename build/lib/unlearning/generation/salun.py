"""SalUn: the class's label is taught another class's noise, by the weights that matter to it."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from unlearning.domain import TrainingSets
from unlearning.errors import UsageError
from unlearning.generation import FORGETTERS, importance
from unlearning.generation.contract import Forgotten
from unlearning.generation.generators import Generator
from unlearning.generation.importance import Reading, gradient_sums
from unlearning.generation.noise import noised
from unlearning.generation.stepping import ORDERS, Stepper, Tuning, held, retain_loss, sources
from unlearning.training.loop import Progress
from unlearning.training.saliency import share_kept, top_share

TARGETS = ("current", "original")


@FORGETTERS.register
@dataclass(frozen=True, kw_only=True)
class GeneratorSalUn(Tuning):
    """Teach the salient weights that the class looks like the next one.

    Loss: mean squared error between what is told under the class's label and what is told of the
    same noised picture under the label of the next class, plus `retain_weight` times the mean loss
    on what stays. The published weight is 1e-3 of a sum over pixels: 3.07 of the mean at 3 x 32 x
    32. target: the `current` network's word for the next class, as published, or the `original`'s.
    share: of the weights, those with the largest gradient on the class; 1 is random labels without
    a mask. order: whether gradients are clipped before the mask, as published, or after.
    saliency: how these gradients are read; published: those of the guided network, each clipped.
    The weights outside of the mask stay exactly as they are.
    """

    name: ClassVar[str] = "salun"
    paper: ClassVar[str] = "Fan et al., SalUn (2024), Eqs. 3-4 and 7"

    steps: int = 60
    learning_rate: float = 5e-4
    retain_weight: float = 3.0
    share: float = 0.5
    clip: float | None = 1.0
    order: str = "clip_mask"
    target: str = "current"
    saliency: Reading = importance.PLAIN

    def __post_init__(self) -> None:
        """Refuse settings without a meaning."""
        super().__post_init__()
        if not 0 < self.share <= 1 or self.order not in ORDERS or self.target not in TARGETS:
            raise UsageError(
                f"salun: got share {self.share}, order {self.order!r}, target {self.target!r}; "
                f"expected a fraction above 0, one of {ORDERS}, one of {TARGETS}"
            )

    def forget(
        self, original: Generator, sets: TrainingSets, rng: torch.Generator, progress: Progress
    ) -> Forgotten:
        """Find the salient weights of the original and tune them on a copy."""
        stepper = Stepper(original, self, progress)
        label, own, retain = sources(sets, self, rng)
        network, teacher = stepper.network, deepcopy(original).to(stepper.device)
        values = gradient_sums(network, sets.forget, self.saliency, rng)
        masks = top_share(values, self.share) if self.share < 1 else None
        for _ in range(self.steps):
            taught = network if self.target == "current" else teacher
            away = relabelled(network, taught, own.next()[0], label, rng)
            loss = away + self.retain_weight * retain_loss(network, retain, self, rng)
            gradients = stepper.gradients(loss)
            found, norm = held(gradients, masks=masks, clip=self.clip, order=self.order)
            stepper.watch(norm, self.clip)
            stepper.step(found)
            stepper.tell(loss)
        return stepper.finished({"share_kept": share_kept(masks) if masks else 1.0})


def relabelled(
    network: Generator, teacher: Generator, x0: Tensor, label: int, rng: torch.Generator
) -> Tensor:
    """Give the error between what is told under a label and under the next, which is not moved."""
    at = noised(x0, network.recipe, rng)
    labels = torch.full_like(at.t, label)
    with torch.no_grad():
        target = teacher(at.x, at.t, (labels + 1) % network.recipe.classes)
    return functional.mse_loss(network(at.x, at.t, labels), target)


def published() -> GeneratorSalUn:
    """Give the authors' settings on CIFAR-10, on means; K1nght's copy has a rate of 1e-5."""
    rest = {"retain_weight": 3.07, "saliency": importance.PUBLISHED}
    return GeneratorSalUn(steps=1000, learning_rate=1e-4, **rest)  # type: ignore[arg-type]
