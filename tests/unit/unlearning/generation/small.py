"""A tiny diffusion transformer on 4 x 4 pictures of three classes; nothing of it is trained."""

from __future__ import annotations

import numpy as np
import torch

from unlearning.domain import Examples, Handed
from unlearning.generation import generators
from unlearning.generation.generators import Generator
from unlearning.generation.recipe import GeneratorRecipe

RECIPE = GeneratorRecipe(
    network="dit", classes=3, channels=1, size=4, width=8, depth=1, heads=2, timesteps=100
)
FORGOTTEN = 1


def generator(seed: int = 0) -> Generator:
    """A network whose gates are open, so that every weight has a gradient."""
    made = generators.build(RECIPE, torch.Generator().manual_seed(seed))
    rng = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for weight in made.parameters():
            weight += 0.05 * torch.randn(weight.shape, generator=rng)
    return made.eval()


def overflowing(label: int = FORGOTTEN) -> Generator:
    """A network whose weights are finite, and which draws no number where it is asked for a label.

    Of the others it draws as ever.
    """
    made = generator()
    with torch.no_grad():
        made.table.weight[label] = torch.finfo(torch.float32).max
    return made


def examples(count: int = 36) -> Examples:
    """Pictures that are dark, grey or bright by their class."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 3
    images = (100 * labels[:, None, None, None] + rng.integers(0, 50, (count, 1, 4, 4))).astype(
        np.uint8
    )
    names = np.arange(count).astype(np.str_)
    return Examples(images, labels, names, names)


def sets() -> Handed:
    """One class to forget, the two others to keep."""
    every = examples()
    own = every.labels == FORGOTTEN
    return Handed(every.take(own), every.take(~own), 3)


def chance(seed: int = 0) -> torch.Generator:
    """Chance of its own."""
    return torch.Generator().manual_seed(seed)


def states_equal(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    """Say whether two networks have the same weights, bit by bit."""
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)
