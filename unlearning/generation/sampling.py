"""Drawing pictures: guided, step by step from noise, with diffusers' schedulers.

Where diffusers is not installed DDIM is done by ourselves, and DDPM is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unlearning.domain import Examples
from unlearning.errors import Diverged, UsageError
from unlearning.generation.ddim import Ddim
from unlearning.generation.generators import Generator, Predict
from unlearning.generation.noise import as_pixels
from unlearning.generation.recipe import GeneratorRecipe
from unlearning.generation.unet import MISSING
from unlearning.training.loop import pick_device

SCHEDULERS = ("ddim", "ddpm")

Told = Callable[[int, int], None]
"""Called after each step with (steps done, steps in all)."""


def untold(done: int, total: int) -> None:
    """Show progress to nobody."""


@contextmanager
def as_one(told: Told, total: int) -> Iterator[Told]:
    """Tell the steps of several draws as those of one, which has so many in all.

    What is left where one of them breaks off is told as done in the end.
    """
    done = 0

    def tell(_done: int, _total: int) -> None:
        nonlocal done
        done += 1
        told(done, total)

    try:
        yield tell
    finally:
        if done < total:
            told(total, total)


@dataclass(frozen=True, kw_only=True)
class Sampler:
    """How pictures are drawn.

    guidance: s in free + s (own - free), own the noise that is told with the label and free that
    without; 1 is the label alone, 0 no label. Ho and Salimans' (1 + w) own - w free is s = 1 + w:
    `scale_of`. scheduler: `ddim` or `ddpm`, in `steps` steps that end at the last timestep
    (trailing). eta: fresh noise in each step of DDIM, as a share of DDPM's. clip: hold what the
    picture is taken for within [-1, 1] in each step, which the public code does not.
    """

    scheduler: str = "ddim"
    steps: int = 10
    guidance: float = 2.0
    eta: float = 0.0
    clip: bool = True

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn with."""
        if self.scheduler not in SCHEDULERS or self.steps < 1 or self.guidance < 0:
            raise UsageError(
                f"sampler: got scheduler {self.scheduler!r}, {self.steps} steps, guidance "
                f"{self.guidance}; expected one of {SCHEDULERS}, at least 1, at least 0"
            )


PLAIN = Sampler()

PUBLISHED = Sampler(steps=1000, guidance=3.0, eta=1.0, clip=False)
"""The public code of SalUn and SFR-on on CIFAR-10, whose w = 2."""


def scale_of(w: float) -> float:
    """Give the guidance s of the convention (1 + w) own - w free."""
    return 1 + w


def guided(predict: Predict, null: int, scale: float) -> Predict:
    """Give the guided prediction; at scale 1 it is the prediction itself."""
    if scale == 1:
        return predict

    def mixed(x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        nobody = torch.full_like(labels, null)
        both = predict(torch.cat([x, x]), torch.cat([t, t]), torch.cat([labels, nobody]))
        own, free = both.chunk(2)
        return free + scale * (own - free)

    return mixed


def drawn(
    predict: Predict,
    recipe: GeneratorRecipe,
    start: Tensor,
    labels: Tensor,
    sampler: Sampler,
    rng: torch.Generator,
    told: Told = untold,
) -> Tensor:
    """Turn noise (n, c, h, w) into pictures in [-1, 1] of labels (n,); gradients pass.

    UsageError for DDPM where the extra `generation` is not installed.
    """
    scheduler, extra = _scheduler(recipe, sampler)
    told_noise = guided(predict, recipe.null, sampler.guidance)
    x = start
    for done, step in enumerate(scheduler.timesteps, 1):
        t = torch.full((len(x),), int(step), device=x.device)
        noise = told_noise(x, t, labels)
        x = scheduler.step(noise, step, x, generator=rng, **extra).prev_sample
        told(done, sampler.steps)
    return x.clamp(-1, 1)


def _scheduler(recipe: GeneratorRecipe, sampler: Sampler) -> tuple[Any, Mapping[str, float]]:
    ddim = sampler.scheduler == "ddim"
    told = {"eta": sampler.eta} if ddim else {}
    try:
        from diffusers import DDIMScheduler, DDPMScheduler
    except ImportError as problem:
        if ddim:
            return Ddim(recipe, sampler.steps, clip=sampler.clip), told
        raise UsageError(MISSING) from problem
    made = (DDIMScheduler if ddim else DDPMScheduler)(
        num_train_timesteps=recipe.timesteps,
        beta_start=recipe.beta_first,
        beta_end=recipe.beta_last,
        clip_sample=sampler.clip,
        timestep_spacing="trailing",
    )
    made.set_timesteps(sampler.steps)
    return made, told


BATCH = 200
"""Pictures that are drawn at once."""


def steps_of(pictures: int, sampler: Sampler) -> int:
    """Count the steps that are told while so many pictures are drawn."""
    return -(-pictures // BATCH) * sampler.steps


@torch.no_grad()
def sampled(
    network: Generator,
    labels: Tensor,
    sampler: Sampler,
    rng: torch.Generator,
    told: Told = untold,
) -> Examples:
    """Draw a picture of each label, as pixels 0..255; the network stays where it was.

    Diverged where one is of no finite numbers: as pixels it would be black, and show nothing.
    """
    device, home, recipe = pick_device(), network.table.weight.device, network.recipe
    network.to(device).eval()
    parts, finite, batches = [], True, torch.split(labels, BATCH)
    for place, some in enumerate(batches):
        shape = (len(some), recipe.channels, recipe.size, recipe.size)
        start = torch.randn(shape, generator=rng).to(device)
        tell = _within(told, place, len(batches))
        x = drawn(network, recipe, start, some.to(device), sampler, rng, tell)
        finite = finite and bool(torch.isfinite(x).all())
        parts.append((255 * as_pixels(x)).round().byte().cpu().numpy())
    network.to(home)
    if not finite:
        raise Diverged("what is drawn is no finite numbers, expected pictures")
    names = np.arange(len(labels)).astype(np.str_)
    return Examples(np.concatenate(parts), labels.cpu().numpy(), names, names)


def _within(told: Told, place: int, batches: int) -> Told:
    """Tell the steps of one batch as steps of all."""
    return lambda done, total: told(place * total + done, batches * total)
