"""Training a generator: noise told from labels, some of them dropped, and an average of weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unlearning.domain import Examples
from unlearning.errors import UsageError
from unlearning.generation.average import Average
from unlearning.generation.generators import Generator, build
from unlearning.generation.noise import dropped, losses, noised, pictures
from unlearning.generation.recipe import GeneratorRecipe
from unlearning.training.loop import (
    Progress,
    batches,
    pick_device,
    require_finite,
    silent,
    uses_bf16,
)

REPORTS = 10
"""How often progress is told in a training, which counts steps and not epochs."""


@dataclass(frozen=True, kw_only=True)
class Fitting:
    """How a generator is trained, by Adam.

    learning_rate: 2e-4 published, for 800,000 steps; small networks take ten times as much.
    label_drop: share of labels that are replaced by the null label, which guidance needs. ema:
    decay of the average of weights, which is what is sampled; .9999 published, which is nothing
    but the first weights after a few hundred steps. clip: of the gradient's norm. antithetic:
    timesteps in pairs t, T - 1 - t. flips: mirror half of the pictures.
    """

    steps: int = 500
    batch_size: int = 64
    learning_rate: float = 2e-3
    label_drop: float = 0.1
    ema: float = 0.99
    clip: float = 1.0
    antithetic: bool = True
    flips: bool = False
    precision: str = "fp32"

    def __post_init__(self) -> None:
        """Refuse what trains nothing."""
        if self.steps < 1 or self.batch_size < 2 or not 0 <= self.label_drop < 1:
            raise UsageError(
                f"fitting: got {self.steps} steps of {self.batch_size} and label_drop "
                f"{self.label_drop}; expected at least 1, at least 2, a share below 1"
            )


def endless(n: int, size: int, rng: torch.Generator) -> Iterator[Tensor]:
    """Give batches of indices for ever, each pass over all in a fresh order."""
    while True:
        yield from batches(n, size, rng)


def fitted(
    recipe: GeneratorRecipe,
    examples: Examples,
    fitting: Fitting,
    rng: torch.Generator,
    progress: Progress = silent,
) -> tuple[Generator, Generator]:
    """Train a fresh generator; give the average of its weights, and the weights themselves.

    Raises Diverged where the mean loss of a tenth of the steps is not finite.
    """
    device = pick_device()
    network = build(recipe, rng).to(device).train()
    average = Average(network, fitting.ema)
    adam = torch.optim.Adam(network.parameters(), lr=fitting.learning_rate)
    x0, labels = pictures(examples, device)
    order = endless(len(labels), fitting.batch_size, rng)
    bf16 = uses_bf16(fitting.precision, device)
    told, total = max(1, fitting.steps // REPORTS), torch.zeros((), device=device)
    for step in range(1, fitting.steps + 1):
        index = next(order).to(device)
        picked = _flipped(x0[index], rng) if fitting.flips else x0[index]
        at = noised(picked, recipe, rng, antithetic=fitting.antithetic)
        asked = dropped(labels[index], recipe.null, fitting.label_drop, rng)
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            loss = losses(network, at, asked).mean()
        adam.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), fitting.clip)
        adam.step()
        average.follow()
        total += loss.detach()
        if step % told == 0:
            require_finite(float(total) / told, step // told - 1, "the generator")
            progress(step, fitting.steps, float(total) / told)
            total.zero_()
    return average.network.cpu(), network.cpu().eval()


def _flipped(x: Tensor, rng: torch.Generator) -> Tensor:
    """Mirror half of the pictures, at random."""
    which = (torch.rand(len(x), generator=rng) < 0.5).to(x.device)
    return torch.where(which[:, None, None, None], x.flip(3), x)
