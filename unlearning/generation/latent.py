"""Latent adversarial forgetting: the class's label is taught the nearest label that leaves it.

A shift of the label's row is sought, in growing radii, that makes what is drawn with it no longer
of the class in the eyes of a frozen classifier; then the label is tuned to what the original tells
with the shifted row.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from unlearning.domain import TrainingSets, joined
from unlearning.errors import AttemptFailed, UsageError
from unlearning.generation import FORGETTERS
from unlearning.generation.contract import Forgotten
from unlearning.generation.generators import Generator, with_row_moved
from unlearning.generation.judge import judge_of
from unlearning.generation.noise import as_pixels, noised
from unlearning.generation.sampling import Sampler, drawn
from unlearning.generation.stepping import Stepper, Tuning, held, retain_loss, sources
from unlearning.training.loop import Progress

SHIFTS = ("adversarial", "random")
DOUBLINGS = 6


@FORGETTERS.register
@dataclass(frozen=True, kw_only=True)
class Latent(Tuning):
    """Tune the class's label to what the original tells under its row, adversarially shifted.

    Loss: mean squared error to the original under the shifted row, plus `retain_weight` times the
    mean loss on what stays. The shift climbs the classifier's loss for `ascents` steps within a
    radius, through pictures drawn in `search_steps` steps; the radius begins at `radius` times the
    row's length and is doubled until at most `left` of them are taken for the class. The classifier
    is trained on the sets that are handed, and is not the one that judges. shift: `random` is the
    control, a random shift as long as the adversarial one, which should forget nothing.
    """

    name: ClassVar[str] = "latent"
    paper: ClassVar[str] = "Task B of Ebrahimpour-Boroojeny's thesis, arXiv 2512.06993; ours"

    steps: int = 60
    learning_rate: float = 1e-3
    retain_weight: float = 3.0
    clip: float | None = 1.0
    shift: str = "adversarial"
    ascents: int = 12
    radius: float = 0.5
    left: float = 0.1
    pictures: int = 32
    search_steps: int = 5

    def __post_init__(self) -> None:
        """Refuse a shift that is none."""
        super().__post_init__()
        if self.shift not in SHIFTS or min(self.ascents, self.pictures, self.search_steps) < 1:
            raise UsageError(
                f"latent: got shift {self.shift!r}, ascents {self.ascents}, pictures "
                f"{self.pictures}, search_steps {self.search_steps}; expected one of {SHIFTS}, "
                "and at least 1 of each"
            )

    def forget(
        self, original: Generator, sets: TrainingSets, rng: torch.Generator, progress: Progress
    ) -> Forgotten:
        """Find the shift, then tune."""
        stepper = Stepper(original, self, progress)
        label, own, retain = sources(sets, self, rng)
        frozen = deepcopy(original).to(stepper.device).requires_grad_(False)
        everything = joined(sets.forget, sets.retain)
        judge = judge_of(everything, sets.classes, rng).to(stepper.device).requires_grad_(False)
        found = self.found_shift(frozen, judge, label, rng)
        shift = found if self.shift == "adversarial" else _as_long(found, rng)
        target = with_row_moved(frozen, label, shift)
        for _ in range(self.steps):
            at = noised(own.next()[0], original.recipe, rng)
            labels = torch.full_like(at.t, label)
            away = functional.mse_loss(
                stepper.network(at.x, at.t, labels), target(at.x, at.t, labels)
            )
            loss = away + self.retain_weight * retain_loss(stepper.network, retain, self, rng)
            gradients, norm = held(stepper.gradients(loss), clip=self.clip)
            stepper.watch(norm, self.clip)
            stepper.step(gradients)
            stepper.tell(loss)
        length = float(shift.norm())
        return stepper.finished({"shift": length, "row": float(frozen.table.weight[label].norm())})

    def found_shift(
        self, network: Generator, judge: nn.Module, label: int, rng: torch.Generator
    ) -> Tensor:
        """Give the shift (width,); AttemptFailed where no radius makes the pictures leave."""
        radius = self.radius * float(network.table.weight[label].detach().norm())
        share = 1.0
        for _ in range(DOUBLINGS):
            shift = self._climbed(network, judge, label, radius, rng)
            with torch.no_grad():
                taken = self._logits(network, judge, label, shift, rng).argmax(1)
            share = float((taken == label).float().mean())
            if share <= self.left:
                return shift
            radius *= 2
        raise AttemptFailed(
            f"latent: {share:.0%} of the pictures are still taken for the class after {DOUBLINGS} "
            f"doublings of the radius, expected at most {self.left:.0%}: raise ascents"
        )

    def _climbed(
        self, network: Generator, judge: nn.Module, label: int, radius: float, rng: torch.Generator
    ) -> Tensor:
        """Climb within one radius, by steps of a quarter of it."""
        width = network.table.embedding_dim
        shift = torch.randn(width, generator=rng).to(network.table.weight.device)
        shift = 0.01 * radius * functional.normalize(shift, dim=0)
        for _ in range(self.ascents):
            shift.requires_grad_(True)
            logits = self._logits(network, judge, label, shift, rng)
            loss = functional.cross_entropy(logits, torch.full_like(logits.argmax(1), label))
            (slope,) = torch.autograd.grad(loss, shift)
            shift = shift.detach() + radius / 4 * functional.normalize(slope, dim=0)
            shift = shift * min(1.0, radius / float(shift.norm()))
        return shift.detach()

    def _logits(
        self, network: Generator, judge: nn.Module, label: int, shift: Tensor, rng: torch.Generator
    ) -> Tensor:
        """Judge pictures that are drawn under the shifted row."""
        recipe, device = network.recipe, shift.device
        shape = (self.pictures, recipe.channels, recipe.size, recipe.size)
        start = torch.randn(shape, generator=rng).to(device)
        labels = torch.full((self.pictures,), label, device=device)
        sampler = Sampler(steps=self.search_steps, guidance=1.0)
        moved = with_row_moved(network, label, shift)
        logits: Tensor = judge(as_pixels(drawn(moved, recipe, start, labels, sampler, rng)))
        return logits


def _as_long(shift: Tensor, rng: torch.Generator) -> Tensor:
    """Give a random shift of the same length."""
    other = torch.randn(shift.shape, generator=rng).to(shift.device)
    found: Tensor = functional.normalize(other, dim=0) * shift.norm()
    return found
