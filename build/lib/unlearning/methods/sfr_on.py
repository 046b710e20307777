"""SFR-on: masked, weighted ascent on the forget set between steps of descent on the retain set."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from unlearning.domain import TrainingSets
from unlearning.errors import UsageError
from unlearning.methods import METHODS
from unlearning.training.descent import Batch, Descent, Loader, Stepping
from unlearning.training.loop import Progress
from unlearning.training.saliency import above_ratio, fisher, share_kept

DECAYS = ("cosine", "linear")
GRADIENTS = ("examples", "batches")
REPORTS = 10
"""How often progress is told in a run, which counts steps and not epochs."""


def adaptive_weights(losses: Tensor, power: float) -> Tensor:
    """Weights of mean 1 that are inverse to loss^power, (n,): the memorised weigh most (F).

    They are normalised within the batch; an example without loss takes nearly all of the weight.
    """
    inverse = 1 / (losses.detach() ** power + 1e-15)
    return len(losses) * inverse / inverse.sum()


@METHODS.register
@dataclass(frozen=True, kw_only=True)
class SfrOn(Stepping):
    """Alternate ascent on forget batches with descent on retain batches, through one optimiser.

    Every `forget_every`-th of `steps` steps climbs strength_t * mean(w_i loss_i), its gradient
    masked to the weights whose Fisher information on the forget set is at least `threshold` times
    that on the retain set, and clipped to a norm of `clip`; every step descends the retain loss.
    strength_t falls from `strength` to 0 by `decay`: `cosine` in the code, `linear` in the poster.

    The ablation's letters: `saliency` is S, `adaptive` is F, `alternating` is R-on; without it both
    gradients are added and one step is taken (R). Slow weights stand where a forget cycle begins
    (an ascent and the descents until the next one); at its end they move a fraction of outer_beta
    towards the fast ones, which go on from there (the poster's outer loop). 1, as in the published
    runs, leaves nothing slow. fisher:
    `examples` squares each example's gradient, as the Fisher information is defined; `batches`
    squares that of each batch, as in the code of the published numbers. Defaults: CIFAR-10, 10 %,
    ResNet-18.
    """

    name: ClassVar[str] = "sfr_on"
    paper: ClassVar[str] = "Huang et al., SFR-on (2024), Eqs. 3-6"
    needs: ClassVar[frozenset[str]] = frozenset({"forget", "retain"})
    exact: ClassVar[bool] = False

    steps: int = 1500
    forget_every: int = 5
    strength: float = 25.0
    power: float = 0.5
    threshold: float = 1.0
    clip: float = 7.0
    outer_beta: float = 1.0
    decay: str = "cosine"
    saliency: bool = True
    adaptive: bool = True
    alternating: bool = True
    fisher: str = "batches"

    def __post_init__(self) -> None:
        """Refuse settings without a meaning."""
        super().__post_init__()
        if self.decay not in DECAYS or self.fisher not in GRADIENTS:
            raise UsageError(
                f"sfr_on: got decay {self.decay!r} and fisher {self.fisher!r}, expected one of "
                f"{DECAYS} and of {GRADIENTS}"
            )
        if min(self.steps, self.forget_every) < 1 or not 0 < self.outer_beta <= 1:
            raise UsageError(
                f"sfr_on: got steps {self.steps}, forget_every {self.forget_every}, outer_beta "
                f"{self.outer_beta}; expected at least 1, at least 1, a fraction above 0"
            )

    def strength_at(self, step: int) -> float:
        """Give the coefficient of the ascent at a step, counted from 0."""
        share = step / self.steps
        return self.strength * ((1 + cos(pi * share)) / 2 if self.decay == "cosine" else 1 - share)

    def unlearn(
        self, original: nn.Module, split: TrainingSets, rng: torch.Generator, progress: Progress
    ) -> nn.Module:
        """Run the alternation on a copy of the original."""
        masks = self._masks(original, split) if self.saliency else None
        forget = Loader(split.forget, self, rng).endless()
        retain = Loader(split.retain, self, rng).endless()
        descent = Descent(original, self, self.factor(self.steps))
        told = max(1, self.steps // REPORTS)
        for step in range(self.steps):
            if step % self.forget_every == 0:
                slow = self._slow(descent.parameters)
                loss = self._ascent(descent, next(forget), step)
                descent.add_gradient(loss, masks=masks, clip=self.clip)
                if self.alternating:
                    descent.advance()
            batch = next(retain)
            descent.step(functional.cross_entropy(descent(batch.images), batch.labels))
            descent.tick()
            if (step + 1) % self.forget_every == 0 or step + 1 == self.steps:
                self._interpolate(descent.parameters, slow)
            if (step + 1) % told == 0 or step + 1 == self.steps:
                descent.end_epoch(step + 1, self.steps, progress)
        return descent.finished()

    def _ascent(self, descent: Descent, batch: Batch, step: int) -> Tensor:
        losses = functional.cross_entropy(descent(batch.images), batch.labels, reduction="none")
        weighted = adaptive_weights(losses, self.power) * losses if self.adaptive else losses
        return -self.strength_at(step) * weighted.mean()

    def _slow(self, parameters: list[nn.Parameter]) -> list[Tensor]:
        """Remember the weights at the start of a cycle, unless nothing is slow."""
        return [p.detach().clone() for p in parameters] if self.outer_beta < 1 else []

    @torch.no_grad()
    def _interpolate(self, parameters: list[nn.Parameter], slow: list[Tensor]) -> None:
        for parameter, before in zip(parameters, slow, strict=bool(slow)):
            parameter.copy_(torch.lerp(before, parameter, self.outer_beta))

    def _masks(self, original: nn.Module, split: TrainingSets) -> list[Tensor]:
        forget, retain = (
            fisher(original, part, gradients=self.fisher, batch_size=self.batch_size)
            for part in (split.forget, split.retain)
        )
        return above_ratio(forget, retain, self.threshold)

    def passes(self, forget: int, retain: int) -> int:
        """Retain batches in every step, forget batches in some, one pass for the Fisher."""
        ascents = -(-self.steps // self.forget_every)
        steps = self.steps * min(retain, self.batch_size) + ascents * min(forget, self.batch_size)
        return steps + (forget + retain if self.saliency else 0)

    def report(
        self, original: nn.Module, candidate: nn.Module, split: TrainingSets
    ) -> dict[str, float]:
        """Give the fraction of weights that the ascent may move, which the data decide."""
        return {"share_kept": share_kept(self._masks(original, split)) if self.saliency else 1.0}
