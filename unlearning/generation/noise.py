"""Noising pictures, and the loss of a network that tells the noise (Ho et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unlearning.domain import Examples
from unlearning.generation.generators import Predict
from unlearning.generation.recipe import GeneratorRecipe


def pictures(examples: Examples, device: torch.device) -> tuple[Tensor, Tensor]:
    """Give pictures (n, channels, size, size) in [-1, 1] and labels (n,), on a device."""
    pixels = torch.from_numpy(np.asarray(examples.images)).to(device)
    return pixels.float() / 127.5 - 1, torch.from_numpy(examples.labels).to(device)


def as_pixels(x: Tensor) -> Tensor:
    """Give pictures in [-1, 1] as pixels 0..1, which classifiers take."""
    return (x.clamp(-1, 1) + 1) / 2


def kept(recipe: GeneratorRecipe) -> Tensor:
    """Give the share of a picture's variance that is left at each timestep, (timesteps,)."""
    betas = torch.linspace(recipe.beta_first, recipe.beta_last, recipe.timesteps)
    return torch.cumprod(1 - betas, 0)


@dataclass(frozen=True, eq=False)
class Noised:
    """Pictures with noise in them: x (n, c, h, w), at timesteps t (n,), with that noise in it."""

    x: Tensor
    t: Tensor
    noise: Tensor


def noised(
    x0: Tensor,
    recipe: GeneratorRecipe,
    rng: torch.Generator,
    t: Tensor | None = None,
    *,
    antithetic: bool = False,
) -> Noised:
    """Put noise into pictures, at timesteps that are drawn unless given.

    antithetic: the second half of the batch is noised at T - 1 - t of the first half.
    """
    if t is None:
        t = torch.randint(recipe.timesteps, (len(x0),), generator=rng)
        if antithetic:
            first = t[: (len(t) + 1) // 2]
            t = torch.cat([first, recipe.timesteps - 1 - first])[: len(x0)]
    noise = torch.randn(x0.shape, generator=rng).to(x0.device)
    share = kept(recipe)[t.cpu()].to(x0.device)[:, None, None, None]
    return Noised(share.sqrt() * x0 + (1 - share).sqrt() * noise, t.to(x0.device), noise)


def dropped(labels: Tensor, null: int, share: float, rng: torch.Generator) -> Tensor:
    """Give labels of which a share is replaced by the null label, at random."""
    if share == 0:
        return labels
    none = torch.rand(len(labels), generator=rng) < share
    return labels.masked_fill(none.to(labels.device), null)


def summed(difference: Tensor) -> Tensor:
    """Give squared differences summed over pixels, (n,): the published losses."""
    return difference.square().flatten(1).sum(1)


def losses(predict: Predict, at: Noised, labels: Tensor, reduction: str = "mean") -> Tensor:
    """Give each picture's loss, the `mean` or the `sum` over its pixels, (n,)."""
    squares = summed(predict(at.x, at.t, labels) - at.noise)
    return squares if reduction == "sum" else squares / at.noise[0].numel()
