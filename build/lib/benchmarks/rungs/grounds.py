"""The grounds that rungs are tried on: data, a training, and who is forgotten."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from benchmarks import samples
from benchmarks.recipe.study import BEFORE, NOW, by_recipe, cifar10_all
from benchmarks.samples import Setting

PEOPLE, EXAMPLES, TENTH = 25, 500, 5_000
"""Forgotten: people of a dozen digits each; images of CIFAR-10, of a part and of all of it."""

ALL_TRAINED, ALL_HELD = 40_000, 10_000
"""Of CIFAR-10's 50,000: strangers have to come from somewhere."""


def _digits(recipe: str) -> Setting:
    return replace(by_recipe(samples.digits(), recipe), forgotten=PEOPLE)


def _cifar10(recipe: str) -> Setting:
    return replace(by_recipe(samples.cifar10(), recipe), shadows=32, forgotten=EXAMPLES)


def fitted() -> Setting:
    """Give the part of CIFAR-10 with a small network that sees the same images in every epoch."""
    on = samples.cifar10()
    recipe = replace(on.recipe, network="conv-medium")
    return replace(on, recipe=recipe, shadows=32, forgotten=EXAMPLES)


def all_of_cifar10() -> Setting:
    """Give 40,000 / 10,000 of the training images and all test images, with the fast network."""
    on = by_recipe(cifar10_all(), NOW)
    parts = np.split(np.arange(len(on.train)), [ALL_TRAINED, ALL_TRAINED + ALL_HELD])
    train, holdout = (on.train.take(rows) for rows in parts[:2])
    return replace(on, train=train, holdout=holdout, shadows=64, forgotten=TENTH)


GROUNDS: dict[str, Callable[[], Setting]] = {
    "digits-fitted": lambda: _digits(BEFORE),
    "digits": lambda: _digits(NOW),
    "cifar10-fitted": fitted,
    "cifar10": lambda: _cifar10(NOW),
    "cifar10-all": all_of_cifar10,
}
"""`-fitted` ones have learned a part by heart; the others are trained as `init` trains."""
