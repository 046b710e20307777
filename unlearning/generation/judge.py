"""The classifier that says what drawn pictures show: trained on the same real data, or given."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from unlearning import networks
from unlearning.domain import ByteArray, Examples, FloatArray, joined
from unlearning.networks import Classifier, Recipe
from unlearning.training.loop import Progress, Training, silent, train

SMALL = Training(epochs=20, batch_size=64, learning_rate=0.1, precision="fp32")
"""Enough for small pictures."""


def judge_of(
    examples: Examples,
    classes: int,
    rng: torch.Generator,
    training: Training = SMALL,
    network: str = "conv-small",
    progress: Progress = silent,
) -> Classifier:
    """Train a classifier on real pictures of every class, the forgotten one too."""
    _, channels, size, _ = examples.images.shape
    half = (0.5,) * channels
    recipe = Recipe(
        network=network, classes=classes, channels=channels, size=size, mean=half, std=half
    )
    made = train(networks.build(recipe, rng), examples, training, rng, progress)
    assert isinstance(made, Classifier)
    return made


def with_none(examples: Examples, classes: int, seed: int = 0) -> Examples:
    """Add pictures that show none of the classes, half as many, under the label `classes`.

    A classifier that knows no such answer takes noise for some class, and is sure of it. They are
    noise, smooth and rough, of any contrast; stripes and squares; blends of two classes; and real
    pictures whose pixels were shuffled.
    """
    rng, count = np.random.default_rng(seed), max(1, len(examples) // (2 * len(NOTHING)))
    parts = [make(examples, count, rng) for make in NOTHING]
    images = np.concatenate(parts).clip(0, 255).round().astype(np.uint8)
    names = np.array([f"none/{n}" for n in range(len(images))])
    labels = np.full(len(images), classes, dtype=examples.labels.dtype)
    return joined(examples, Examples(images, labels, names, names))


def _noise(examples: Examples, count: int, rng: np.random.Generator) -> FloatArray:
    """Noise about a grey, of any contrast."""
    shape = (count, *examples.images.shape[1:])
    grey, reach = rng.uniform(0, 255, (count, 1, 1, 1)), rng.uniform(0, 150, (count, 1, 1, 1))
    return np.asarray(grey + reach * rng.standard_normal(shape))


def _smears(examples: Examples, count: int, rng: np.random.Generator) -> FloatArray:
    """Noise that is the same over squares of pixels, and blurred at their edges."""
    size = examples.images.shape[2]
    coarse = _noise(examples, count, rng)[:, :, : (size + 3) // 4, : (size + 3) // 4]
    large = coarse.repeat(4, 2).repeat(4, 3)[:, :, :size, :size]
    return np.asarray((large + np.roll(large, 1, 2) + np.roll(large, 1, 3)) / 3)


def _patterns(examples: Examples, count: int, rng: np.random.Generator) -> FloatArray:
    """Stripes and checkerboards of two greys, of any width, with a little noise."""
    size = examples.images.shape[2]
    across, down = np.meshgrid(np.arange(size), np.arange(size))
    wide, kind = rng.integers(1, max(2, size // 2), count), rng.integers(0, 3, count)
    cells = [(across // w, down // w, across // w + down // w) for w in wide]
    where = [of[k] for of, k in zip(cells, kind, strict=True)]
    light, dark = rng.uniform(0, 255, (2, count, 1, 1))
    drawn = np.where(np.stack(where) % 2 == 0, light, dark)[:, None]
    shape = (count, *examples.images.shape[1:])
    return np.asarray(drawn + 15 * rng.standard_normal(shape))


def _blends(examples: Examples, count: int, rng: np.random.Generator) -> FloatArray:
    """Two pictures of different classes, one over the other."""
    first = rng.integers(0, len(examples), count)
    second = [rng.choice(np.flatnonzero(examples.labels != examples.labels[one])) for one in first]
    share = rng.uniform(0.4, 0.6, (count, 1, 1, 1))
    one, other = examples.images[first], examples.images[np.array(second)]
    return np.asarray(share * one + (1 - share) * other)


def _shuffled(examples: Examples, count: int, rng: np.random.Generator) -> ByteArray:
    """Real pictures whose pixels stand in another order."""
    picked = examples.images[rng.integers(0, len(examples), count)]
    rows = picked.reshape(*picked.shape[:2], -1)
    order = rng.permuted(np.tile(np.arange(rows.shape[2]), (count, 1)), axis=1)[:, None]
    return np.take_along_axis(rows, order, 2).reshape(picked.shape)


NOTHING: tuple[Callable[[Examples, int, np.random.Generator], FloatArray | ByteArray], ...] = (
    *(_noise, _smears, _patterns, _blends, _shuffled),
)
