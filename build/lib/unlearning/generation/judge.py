"""The classifier that says what drawn pictures show: trained on the same real data, or given."""

from __future__ import annotations

import torch

from unlearning import networks
from unlearning.domain import Examples
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
