"""A generator that forgot at one guidance only: what is told under the label stays as it was."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.nn import functional

from unlearning.domain import TrainingSets
from unlearning.generation.contract import Forgotten
from unlearning.generation.generators import Generator
from unlearning.generation.noise import noised
from unlearning.generation.sampling import guided
from unlearning.generation.stepping import Stepper, Tuning, held, retain_loss, sources
from unlearning.training.loop import Progress


@dataclass(frozen=True, kw_only=True)
class OnlyGuided(Tuning):
    """Move what is told without a label, so that guidance alone leads from the class to the next.

    guidance: the one scale at which it is to look forgotten.
    """

    name: ClassVar[str] = "only_guided"
    paper: ClassVar[str] = "planted: to be refused"

    steps: int = 100
    guidance: float = 2.0
    clip: float = 1.0

    def forget(
        self, original: Generator, sets: TrainingSets, rng: torch.Generator, progress: Progress
    ) -> Forgotten:
        """Tune on a copy."""
        stepper = Stepper(original, self, progress)
        network, before = stepper.network, deepcopy(original)
        before.to(stepper.device).requires_grad_(False)
        label, own, retain = sources(sets, self, rng)
        null, classes = original.recipe.null, original.recipe.classes
        mixed, target = (guided(of, null, self.guidance) for of in (network, before))
        for _ in range(self.steps):
            at = noised(own.next()[0], original.recipe, rng)
            labels = torch.full_like(at.t, label)
            with torch.no_grad():
                away = target(at.x, at.t, (labels + 1) % classes)
                same = before(at.x, at.t, labels)
            seen = functional.mse_loss(mixed(at.x, at.t, labels), away)
            unseen = functional.mse_loss(network(at.x, at.t, labels), same)
            loss = seen + 3 * unseen + retain_loss(network, retain, self, rng)
            stepper.step(held(stepper.gradients(loss), clip=self.clip)[0])
            stepper.tell(loss)
        return stepper.finished()
