"""Boundary shrinking: learn each forget example as the nearest other class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from unlearning.domain import Examples, TrainingSets
from unlearning.errors import UsageError
from unlearning.methods import METHODS
from unlearning.outputs import BATCH
from unlearning.training.adversarial import fgsm, frozen_copy
from unlearning.training.descent import Descending, Descent, Loader
from unlearning.training.keyed import kept, key_of
from unlearning.training.loop import Progress, pick_device, pictures_on


def nearest_labels(
    original: nn.Module, examples: Examples, bound: float, *, exclude_true: bool
) -> Tensor:
    """Give the class on the other side of the nearest boundary, (n,).

    It is what the original answers one signed gradient step of `bound` (0..1) away, at 8 bits per
    pixel. exclude_true: where that is still the label, the next likeliest class there.
    """
    key = key_of(original, examples, what="nearest", bound=bound, exclude_true=exclude_true)

    def compute() -> Tensor:
        network = frozen_copy(original)
        pixels, labels = pictures_on(examples, pick_device())
        size = BATCH[labels.device.type]
        parts = [
            _nearest(network, pixels[part].float() / 255, labels[part], bound, exclude_true)
            for part in (slice(at, at + size) for at in range(0, len(labels), size))
        ]
        return torch.cat(parts)

    return kept(key, compute)


def _nearest(
    network: nn.Module, images: Tensor, labels: Tensor, bound: float, exclude_true: bool
) -> Tensor:
    stepped = (fgsm(network, images, labels, bound) * 255).round() / 255
    with torch.no_grad():
        logits: Tensor = network(stepped)
    if exclude_true:
        logits = logits.scatter(1, labels[:, None], -torch.inf)
    return logits.argmax(1)


@METHODS.register
@dataclass(frozen=True, kw_only=True)
class BoundaryShrink(Descending):
    """Fine-tune on the forget set, labelled by what the original answers one FGSM step away.

    Only the labels come from the steps; the images stay. bound: of the step, per pixel, 0..1.
    exclude_true: the label is another class even where the step does not reach it, as the paper
    has it; without, the example keeps its own label there, as in public code. Labels are found
    once, since the original is frozen, without augmentation. Defaults: the authors' public code
    for CIFAR-10 (FGSM .1 without random start, SGD 1e-5, momentum .9, no weight decay, 10 epochs,
    batches of 64); the baseline in SalUn and AMUN keeps the bound and has a rate of .01, searched,
    and weight decay 5e-4.
    """

    name: ClassVar[str] = "boundary_shrink"
    paper: ClassVar[str] = "Chen et al., Boundary Unlearning (CVPR 2023), section 4.2"
    needs: ClassVar[frozenset[str]] = frozenset({"forget"})
    exact: ClassVar[bool] = False

    learning_rate: float = 1e-5
    batch_size: int = 64
    weight_decay: float = 0.0
    schedule: str = "constant"
    bound: float = 0.1
    exclude_true: bool = True

    def __post_init__(self) -> None:
        """Refuse a bound that is none."""
        super().__post_init__()
        if not 0 < self.bound <= 1:
            raise UsageError(f"boundary_shrink.bound: got {self.bound}, expected 0 < bound <= 1")

    def unlearn(
        self, original: nn.Module, split: TrainingSets, rng: torch.Generator, progress: Progress
    ) -> nn.Module:
        """Train a copy of the original on the nearest labels."""
        loader = Loader(split.forget, self, rng)
        labels = self._labels(original, split.forget)
        descent = Descent(original, self, self.factor(self.epochs * len(loader)))
        for epoch in range(self.epochs):
            for batch in loader.epoch():
                loss = functional.cross_entropy(descent(batch.images), labels[batch.index])
                descent.step(loss)
                descent.tick()
            descent.end_epoch(epoch + 1, self.epochs, progress)
        return descent.finished()

    def _labels(self, original: nn.Module, forget: Examples) -> Tensor:
        return nearest_labels(original, forget, self.bound, exclude_true=self.exclude_true)

    def passes(self, forget: int, retain: int) -> int:
        """The step's pass over the forget set and what is answered after it, then training."""
        return forget + round(forget / 3) + self.epochs * forget

    def report(
        self, original: nn.Module, candidate: nn.Module, split: TrainingSets
    ) -> dict[str, float]:
        """Give the share of forget examples whose step changed the original's answer."""
        reached = nearest_labels(original, split.forget, self.bound, exclude_true=False).cpu()
        return {"nearest_reached": float((reached.numpy() != split.forget.labels).mean())}
