"""DDIM by itself (Song et al. 2021, Eqs. 12 and 16), for where diffusers is not installed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from unlearning.generation.noise import kept
from unlearning.generation.recipe import GeneratorRecipe


@dataclass(frozen=True)
class Stepped:
    """What a step gives: pictures with less noise in them."""

    prev_sample: Tensor


class Ddim:
    """The steps that diffusers' DDIMScheduler takes, trailing, of a network that tells noise."""

    def __init__(self, recipe: GeneratorRecipe, steps: int, *, clip: bool) -> None:
        """Lay out so many steps. clip: hold what a picture is taken for within [-1, 1]."""
        self._kept, self._clip = kept(recipe), clip
        self._apart = recipe.timesteps // steps
        ends = torch.arange(steps, 0, -1, dtype=torch.float64) * recipe.timesteps / steps
        self.timesteps = ends.round().long() - 1

    def step(
        self, noise: Tensor, t: Tensor, x: Tensor, generator: torch.Generator, eta: float
    ) -> Stepped:
        """Go from timestep t to the next one, by the noise that is told in x (n, c, h, w)."""
        now, then = float(self._kept[int(t)]), self._kept_at(int(t) - self._apart)
        picture = (x - math.sqrt(1 - now) * noise) / math.sqrt(now)
        picture = picture.clamp(-1, 1) if self._clip else picture
        fresh = eta * math.sqrt((1 - then) / (1 - now) * (1 - now / then))
        there = math.sqrt(then) * picture + math.sqrt(1 - then - fresh**2) * noise
        if eta == 0:
            return Stepped(there)
        return Stepped(there + fresh * torch.randn(x.shape, generator=generator).to(x.device))

    def _kept_at(self, t: int) -> float:
        """Give the share of a picture's variance that is left; all of it before the first."""
        return float(self._kept[t]) if t >= 0 else 1.0
