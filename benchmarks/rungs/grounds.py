"""The grounds that rungs are tried on: data, a training, and who is forgotten."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks import samples
from benchmarks.methods import full_cifar
from benchmarks.samples import Setting
from unlearning.training.loop import Training

SMOOTH: dict[str, Any] = {"label_smoothing": 0.2, "decays": "weights"}
PEOPLE, EXAMPLES, TENTH = 25, 500, 5_000
"""Forgotten: people of a dozen digits each; images of CIFAR-10, of a part and of all of it."""

ALL_TRAINED, ALL_HELD = 40_000, 10_000
"""Of CIFAR-10's 50,000: strangers have to come from somewhere."""


def _digits(**changes: Any) -> Setting:
    on = samples.digits()
    return replace(on, forgotten=PEOPLE, training=replace(on.training, **changes))


def _cifar10(network: str, **changes: Any) -> Setting:
    on = samples.cifar10()
    training = replace(on.training, **changes)
    recipe = replace(on.recipe, network=network)
    return replace(on, recipe=recipe, training=training, shadows=32, forgotten=EXAMPLES)


def all_of_cifar10() -> Setting:
    """Give 40,000 / 10,000 of the training images and all test images, with the fast network."""
    everything, test = full_cifar.examples("train"), full_cifar.examples("test")
    training = Training(
        epochs=10, batch_size=256, learning_rate=0.2, augmentation="crop_flip", **SMOOTH
    )
    return Setting(
        "cifar10-all",
        everything.take(np.arange(ALL_TRAINED)),
        everything.take(np.arange(ALL_TRAINED, ALL_TRAINED + ALL_HELD)),
        test,
        samples.recipe_on_cifar10("conv-whitened"),
        training,
        shadows=64,
        forgotten=TENTH,
    )


GROUNDS: dict[str, Callable[[], Setting]] = {
    "digits-fitted": lambda: _digits(),
    "digits": lambda: _digits(epochs=6, **SMOOTH),
    "cifar10-fitted": lambda: _cifar10("conv-medium"),
    "cifar10": lambda: _cifar10("conv-whitened", epochs=6, augmentation="crop_flip", **SMOOTH),
    "cifar10-all": all_of_cifar10,
}
"""`-fitted` ones have learned a part by heart; the others are trained as `init` trains."""
