"""SFR-on on generators: masked, weighted ascent on the class between descents on what stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi
from typing import ClassVar

import torch
from torch import Tensor

from unlearning.domain import TrainingSets
from unlearning.errors import UsageError
from unlearning.generation import FORGETTERS, importance
from unlearning.generation.contract import Forgotten
from unlearning.generation.generators import Generator
from unlearning.generation.importance import Reading, batch_fisher
from unlearning.generation.noise import losses, noised
from unlearning.generation.stepping import (
    ORDERS,
    Masks,
    Stepper,
    Tuning,
    held,
    retain_loss,
    sources,
)
from unlearning.methods.sfr_on import adaptive_weights
from unlearning.training.loop import Progress
from unlearning.training.saliency import above_ratio, share_kept

REDUCTIONS = ("sum", "mean")
STEPPING = ("alternating", "joint", "joint_unmasked")
DECAYS = ("cosine", "constant")


@FORGETTERS.register
@dataclass(frozen=True, kw_only=True)
class GeneratorSfrOn(Tuning):
    """Climb the class's loss along masked weights, then descend that of what stays; one Adam.

    strength: of the ascent. decay: whether it falls to 0 as a `cosine`, as in the authors' code on
    CIFAR-10, or is `constant`, as in theirs on DiT, which has a decay but never reads it. Wherever
    `ascent_clip` cuts every gradient neither acts, and below it both do; the notes tell how many
    were cut and how long they were. ascent_clip: of the ascent's norm; None leaves it. order:
    whether the ascent is masked before it is clipped, as published in both, or after: then what the
    mask leaves is shorter than the clip. retain_clip: of the descent's. saliency, threshold: the
    mask, where the Fisher information of the class is that of the rest times `threshold` or more.
    It holds the ascent alone: Adam's moments move masked weights too. adaptive: weights loss^-power
    in the batch. reduction: of both losses over pixels; with the published `sum` either gradient is
    clipped nearly always, so that both weigh alike in Adam's moments; with `mean` the descent's is
    so short that the ascent drowns it. stepping: `alternating`; `joint` is one step along both
    gradients, the ascent masked; `joint_unmasked` is what the public code's joint step comes to,
    whose mask falls on a gradient that is then set to zero. fisher: how it is read; published: of
    the guided network's gradients, each clipped.
    """

    name: ClassVar[str] = "sfr_on"
    paper: ClassVar[str] = "Huang et al., SFR-on (2024), Eqs. 3-6"

    steps: int = 50
    learning_rate: float = 1e-3
    strength: float = 10.0
    decay: str = "cosine"
    power: float = 0.5
    adaptive: bool = True
    saliency: bool = True
    threshold: float = 1.0
    ascent_clip: float | None = 1.0
    order: str = "mask_clip"
    retain_clip: float | None = 1.0
    reduction: str = "sum"
    stepping: str = "alternating"
    fisher: Reading = importance.PLAIN

    def __post_init__(self) -> None:
        """Refuse words without a meaning."""
        super().__post_init__()
        words = {
            "stepping": (self.stepping, STEPPING),
            "reduction": (self.reduction, REDUCTIONS),
            "decay": (self.decay, DECAYS),
            "order": (self.order, ORDERS),
        }
        for name, (got, known) in words.items():
            if got not in known:
                raise UsageError(f"sfr_on: got {name} {got!r}, expected one of {known}")

    def strength_at(self, step: int) -> float:
        """Give the coefficient of the ascent at a step, counted from 0."""
        if self.decay == "constant":
            return self.strength
        return self.strength * (1 + cos(pi * step / self.steps)) / 2

    def ascent(
        self, gradients: Sequence[Tensor], masks: Masks | None, step: int
    ) -> tuple[list[Tensor], float]:
        """Give what Adam is handed of the class's gradients at a step; the norm that is clipped."""
        up = [-self.strength_at(step) * gradient for gradient in gradients]
        return held(up, masks=masks, clip=self.ascent_clip, order=self.order)

    def forget(
        self, original: Generator, sets: TrainingSets, rng: torch.Generator, progress: Progress
    ) -> Forgotten:
        """Run the alternation on a copy of the original."""
        stepper = Stepper(original, self, progress)
        label, own, retain = sources(sets, self, rng)
        masks = self._masks(stepper.network, sets, rng) if self.saliency else None
        kept = share_kept(list(masks)) if masks else 1.0
        masks = None if self.stepping == "joint_unmasked" else masks
        for step in range(self.steps):
            lost = self.climbed(stepper.network, own.next()[0], label, rng)
            up, norm = self.ascent(stepper.gradients(lost), masks, step)
            stepper.watch(norm, self.ascent_clip)
            if self.stepping == "alternating":
                stepper.step(up)
                up = [torch.zeros_like(g) for g in up]
            rest = retain_loss(stepper.network, retain, self, rng, self.reduction)
            down, _ = held(stepper.gradients(rest), clip=self.retain_clip)
            stepper.step([a + b for a, b in zip(up, down, strict=True)])
            stepper.tell(rest)
        return stepper.finished({"share_kept": kept})

    def climbed(self, network: Generator, x0: Tensor, label: int, rng: torch.Generator) -> Tensor:
        """Give the mean loss on the class, those with a small one weighing more."""
        at = noised(x0, network.recipe, rng)
        found = losses(network, at, torch.full_like(at.t, label), self.reduction)
        return (adaptive_weights(found, self.power) * found if self.adaptive else found).mean()

    def _masks(self, network: Generator, sets: TrainingSets, rng: torch.Generator) -> Masks:
        parts = (sets.forget, sets.retain)
        forget, retain = (batch_fisher(network, part, self.fisher, rng) for part in parts)
        return above_ratio(forget, retain, self.threshold)


PUBLISHED = GeneratorSfrOn(learning_rate=1e-4, fisher=importance.PUBLISHED)
"""The authors' on CIFAR-10: up along 10 times a sum over pixels, falling as a cosine, masked and
then clipped to 1; down clipped to 1. The configuration in their code has 150 steps. There labels
are dropped in the ascent too; here never, since that raises the loss without a label."""

PUBLISHED_DIT = GeneratorSfrOn(
    steps=500,
    batch_size=1,
    learning_rate=1e-4,
    strength=1e-3,
    decay="constant",
    adaptive=False,
    reduction="mean",
    retain_clip=None,
    fisher=Reading(batches=2000, batch_size=1),
)
"""The authors' on DiT: up along a constant 1e-3 of a mean over pixels, masked and then clipped to
1, down as it is. The clip cuts only gradients longer than 1,000, so that the strength acts. Their
loader samples the average (`sampled`), which after 500 steps of .9999 holds 5 % of the change."""
