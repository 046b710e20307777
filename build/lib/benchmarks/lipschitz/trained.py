"""What networks learn while each clipper holds their layers, and whether it holds them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch

from benchmarks.samples import Setting
from unlearning import networks
from unlearning.lipschitz import CLIPPERS
from unlearning.lipschitz.bounds import norm
from unlearning.lipschitz.operators import Operator, operators_of
from unlearning.networks import Classifier
from unlearning.outputs import accuracy, logits_of
from unlearning.training.loop import batches, silent, train

FREE = "none"


def cells(bounds: Sequence[float]) -> Iterator[tuple[str, float | None]]:
    """Give each clipper at each bound, and none at none."""
    yield FREE, None
    for bound in bounds:
        for name in CLIPPERS:
            yield name, bound


def measured(on: Setting, bounds: Sequence[float], seeds: int) -> Iterator[dict[str, Any]]:
    """Train a network for every seed, clipper and bound."""
    for seed in range(seeds):
        for name, bound in cells(bounds):
            yield {"seed": seed, "clipper": name, "bound": bound, **_one(on, name, bound, seed)}


def _one(on: Setting, name: str, bound: float | None, seed: int) -> dict[str, Any]:
    rng = torch.Generator().manual_seed(seed)
    network = networks.build(on.recipe, rng)
    clipper = None if bound is None else CLIPPERS.create(name)
    training = replace(on.training, lipschitz=bound)
    began = time.process_time()
    made = train(network, on.train, training, rng, silent, clipper=clipper)
    seconds = time.process_time() - began
    assert isinstance(made, Classifier)
    steps = training.epochs * len(batches(len(on.train), training.batch_size, torch.Generator()))
    return {
        "test_accuracy": accuracy(logits_of(made, on.test), on.test.labels),
        "train_accuracy": accuracy(logits_of(made, on.train), on.train.labels),
        "milliseconds": 1000 * seconds / steps,
        **largest(made),
    }


def largest(network: Classifier) -> dict[str, float]:
    """Give the largest singular value of any layer: as it is deployed, and of kernels alone."""
    recipe = network.recipe
    picture = torch.zeros(1, recipe.channels, recipe.size, recipe.size)
    operators = operators_of(network, picture)
    bare = [Operator(of.name, of.layers[:1], of.shape) for of in operators]
    found = {"deployed": operators, "kernels": bare}
    return {name: max(map(norm, of)) for name, of in found.items()}
