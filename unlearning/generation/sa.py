"""Selective Amnesia: the class becomes noise, what mattered to the rest is held in place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from unlearning.domain import Examples, TrainingSets
from unlearning.errors import UsageError
from unlearning.generation import FORGETTERS
from unlearning.generation.contract import Forgotten
from unlearning.generation.generators import Generator
from unlearning.generation.importance import picture_fisher
from unlearning.generation.noise import noised, summed
from unlearning.generation.sampling import PLAIN, sampled
from unlearning.generation.stepping import Source, Stepper, Tuning, held, sources
from unlearning.training.loop import Progress

SCALES = ("mean_one", "raw")
REPLAYS = ("generated", "real")


@FORGETTERS.register
@dataclass(frozen=True, kw_only=True)
class SelectiveAmnesia(Tuning):
    """Train the class's label on uniform noise, with replay and a quadratic pull (EWC).

    Loss: squared error summed over pixels on pictures drawn from U[-1, 1] under the class's label,
    plus `replay_weight` times that on pictures of the other classes, plus `strength` times the sum
    of F_i (theta_i - theta0_i)^2. scale: `mean_one` divides F by its mean, so that one strength
    does for networks of any size; `raw` is the published F, which locks the weights at its lambda
    of 10 where losses are small. replay: pictures that the original draws, as published, or the
    `real` ones. fisher_pictures, strata: of F. No label is dropped.
    """

    name: ClassVar[str] = "sa"
    paper: ClassVar[str] = "Heng and Soh, Selective Amnesia (2023), Eq. 7"

    steps: int = 80
    learning_rate: float = 5e-4
    label_drop: float = 0.0
    strength: float = 1.0
    scale: str = "mean_one"
    replay: str = "generated"
    replay_weight: float = 1.0
    fisher_pictures: int = 100
    strata: int = 20
    clip: float | None = 1.0

    def __post_init__(self) -> None:
        """Refuse words without a meaning."""
        super().__post_init__()
        if self.scale not in SCALES or self.replay not in REPLAYS:
            raise UsageError(
                f"sa: got scale {self.scale!r} and replay {self.replay!r}, expected one of "
                f"{SCALES} and of {REPLAYS}"
            )

    def forget(
        self, original: Generator, sets: TrainingSets, rng: torch.Generator, progress: Progress
    ) -> Forgotten:
        """Find what matters to the rest, then tune."""
        stepper = Stepper(original, self, progress)
        label, _, real = sources(sets, self, rng)
        shown = self._shown(stepper.network, sets, rng)
        fisher, mean = self._fisher(stepper.network, shown, rng)
        replay = real if self.replay == "real" else Source(shown, self.batch_size, rng)
        before = [weight.detach().clone() for weight in stepper.weights]
        for _ in range(self.steps):
            loss = self._loss(stepper.network, label, replay, rng)
            pull = self.strength * pulled(stepper.weights, before, fisher)
            gradients, norm = held(stepper.gradients(loss + pull), clip=self.clip)
            stepper.watch(norm, self.clip)
            stepper.step(gradients)
            stepper.tell(loss + pull)
        return stepper.finished({"fisher_mean": mean})

    def _shown(self, network: Generator, sets: TrainingSets, rng: torch.Generator) -> Examples:
        """Draw what the original shows of the other classes, as many as F reads, or a batch."""
        classes = np.unique(sets.retain.labels)
        count = max(self.fisher_pictures, 4 * self.batch_size)
        labels = torch.from_numpy(np.resize(classes, count))
        return sampled(network, labels, PLAIN, rng)

    def _fisher(
        self, network: Generator, shown: Examples, rng: torch.Generator
    ) -> tuple[list[Tensor], float]:
        some = shown.take(np.arange(self.fisher_pictures))
        found = picture_fisher(network, some, self.strata, rng)
        count = sum(f.numel() for f in found)
        mean = float(torch.stack([f.sum() for f in found]).sum()) / count
        return ([f / mean for f in found] if self.scale == "mean_one" else found), mean

    def _loss(self, network: Generator, label: int, replay: Source, rng: torch.Generator) -> Tensor:
        x0, labels = replay.next()
        noise = (2 * torch.rand(x0.shape, generator=rng) - 1).to(x0.device)
        kept = noised(x0, network.recipe, rng)
        lost = noised(noise, network.recipe, rng, kept.t.cpu())
        asked = torch.full_like(labels, label)
        own = summed(network(lost.x, lost.t, asked) - lost.noise).mean()
        rest = summed(network(kept.x, kept.t, labels) - kept.noise).mean()
        return own + self.replay_weight * rest


def pulled(weights: Sequence[Tensor], before: Sequence[Tensor], fisher: Sequence[Tensor]) -> Tensor:
    """Give the sum of F_i (theta_i - theta0_i)^2."""
    parts = zip(weights, before, fisher, strict=True)
    return torch.stack([(f * (new - old).square()).sum() for new, old, f in parts]).sum()


PUBLISHED = SelectiveAmnesia(
    steps=20_000, learning_rate=1e-4, strength=10.0, scale="raw", fisher_pictures=4_500
)
"""The authors' on CIFAR-10: F of 500 drawn pictures for each of the nine classes that stay. Other
than there F is estimated from strata of the timesteps, and no label is dropped in it."""
