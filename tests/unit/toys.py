"""Small examples, networks and measurements that the unit tests share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from unlearning import networks
from unlearning.domain import Examples, Group, Measurement, Outputs, Split, joined
from unlearning.heads.fitting import fitted
from unlearning.networks import Classifier, Recipe
from unlearning.recipe import Head
from unlearning.training.loop import Training, train

RECIPE = Recipe(network="conv-small", classes=3, channels=1, size=8, mean=(0.5,), std=(0.25,))
TRAINING = Training(epochs=3, batch_size=16, learning_rate=0.05, precision="fp32")


def examples(n: int, *, seed: int = 0, first: int = 0) -> Examples:
    """Give bright stripes at one of three heights, one class each, with noise."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    images = rng.integers(0, 60, (n, 1, 8, 8))
    for row in range(n):
        images[row, 0, 2 * labels[row] : 2 * labels[row] + 2] += 150
    ids = np.array([f"e{first + i}" for i in range(n)])
    subjects = np.array([f"s{(first + i) // 4}" for i in range(n)])
    return Examples(images.astype(np.uint8), labels.astype(np.int64), ids, subjects)


def split(*, forget: int = 12) -> Split:
    """Give a small split; subjects do not cross its parts."""
    return Split(
        forget=examples(forget, seed=1),
        retain=examples(48, seed=2, first=100),
        holdout=examples(24, seed=3, first=200),
        test=examples(24, seed=4, first=300),
        classes=3,
    )


def generator(seed: int = 0) -> torch.Generator:
    """Give a seeded generator."""
    return torch.Generator().manual_seed(seed)


def trained(parts: Split | None = None) -> Classifier:
    """Train the toy network on forget and retain examples."""
    parts = parts or split()
    both = Examples(
        *(
            np.concatenate([getattr(parts.forget, f), getattr(parts.retain, f)])
            for f in ("images", "labels", "ids", "subjects")
        )
    )
    rng = generator()
    network = networks.build(RECIPE, rng)
    train(network, both, TRAINING, rng)
    return network


def frozen(parts: Split | None = None, loss: str = "ridge", **head: float) -> Classifier:
    """Give a network with random frozen weights whose head is fitted to forget and retain."""
    parts = parts or split()
    recipe = replace(RECIPE, head=Head(backbone="0" * 64, loss=loss, **head))
    blank = networks.build(recipe, generator(7)).eval()
    return fitted(blank, joined(parts.forget, parts.retain))[0]


def outputs(logits: np.ndarray, labels: np.ndarray, groups: list[Group]) -> Outputs:
    """Give outputs with every example its own subject."""
    return Outputs(
        logits.astype(np.float32), np.asarray(labels), np.array(groups), np.arange(len(labels))
    )


def measurement(name: str, value: float, reach: float = 0.0, n: int = 500) -> Measurement:
    """Give a measurement with a symmetric interval."""
    return Measurement(name, value, value - reach, value + reach, n)


def bases(count: int = 3) -> tuple[Classifier, ...]:
    """Give stored networks that learned from nobody of `split`."""
    return tuple(networks.build(RECIPE, generator(50 + k)).eval() for k in range(count))
