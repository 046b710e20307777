"""How well one iteration a step follows a layer's largest singular value over 50 steps of SGD.

    python -m benchmarks.lipschitz --data tracking

In the training of a network on digits, by its layers, and of a single kernel that turns into
another within these steps, which is harder. Relative errors at the end, and the largest on the way.
Writes lipschitz-tracking.json.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.lipschitz.grounds import digits
from unlearning import networks
from unlearning.lipschitz.bounds import norm
from unlearning.lipschitz.fastclip import FastClip
from unlearning.lipschitz.operators import Operator, operators_of
from unlearning.lipschitz.spectrum import followed, random_start

STEPS, EVERY, SEEDS = 50, 5, 3
"""Steps of SGD, and between two looks at the true norm."""

FIRST = 100
"""Iterations before the first step."""

VECTORS = (1, 4)
"""Leading vectors that are followed: as published, and ours."""

KERNEL, IMAGE = "a kernel that turns into another", (8, 8, 8)
TRAINED = "a training on digits"


def measured() -> Iterator[dict[str, Any]]:
    """Give for each ground, seed, layer and number of vectors the errors."""
    for seed in range(SEEDS):
        for ground, of in {TRAINED: trained, KERNEL: _turned}.items():
            for row in of(seed):
                yield {"ground": ground, "seed": seed, **row}


def tracked(
    operators: Sequence[Operator], step: Callable[[], None], rng: torch.Generator
) -> Iterator[dict[str, Any]]:
    """Follow every operator through the steps by one iteration each; give the errors by layer."""
    pairs = [(at, count) for at in range(len(operators)) for count in VECTORS]
    right = {p: random_start(operators[p[0]], p[1], rng) for p in pairs}
    right = {p: followed(operators[p[0]], start, FIRST) for p, start in right.items()}
    errors: dict[tuple[int, int], list[float]] = {p: [] for p in pairs}
    for done in range(1, STEPS + 1):
        step()
        right = {p: followed(operators[p[0]], x, 1) for p, x in right.items()}
        if done % EVERY == 0:
            true = [norm(operator) for operator in operators]
            for p in pairs:
                errors[p].append(FastClip().norm(operators[p[0]], right[p]) / true[p[0]] - 1)
    for (at, count), found in errors.items():
        worst = max(found, key=abs)
        yield {"layer": at, "vectors": count, "end": round(found[-1], 5), "worst": round(worst, 5)}


def trained(seed: int) -> Iterator[dict[str, Any]]:
    """Give the errors of every layer of a network in its first steps on digits."""
    on = digits()
    rng = torch.Generator().manual_seed(seed)
    network = networks.build(on.recipe, rng).train()
    pixels = torch.from_numpy(np.asarray(on.train.images)).float() / 255
    labels = torch.from_numpy(on.train.labels)
    size, rate = on.training.batch_size, on.training.learning_rate
    yield from _followed(network, pixels[:1], rate, rng, lambda: _batch(pixels, labels, size, rng))


def _batch(pixels: Tensor, labels: Tensor, size: int, rng: torch.Generator) -> Example:
    drawn = torch.randperm(len(labels), generator=rng)[:size]
    return pixels[drawn], labels[drawn]


Example = tuple[Tensor, Tensor]


def _followed(
    network: nn.Module,
    picture: Tensor,
    rate: float,
    rng: torch.Generator,
    batch: Callable[[], Example],
) -> Iterator[dict[str, Any]]:
    optimiser = torch.optim.SGD(network.parameters(), lr=rate, momentum=0.9, weight_decay=5e-4)

    def step() -> None:
        images, labels = batch()
        optimiser.zero_grad()
        functional.cross_entropy(network(images), labels).backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    yield from tracked(operators_of(network, picture), step, rng)


def _turned(seed: int) -> Iterator[dict[str, Any]]:
    rng = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layer, wanted = (nn.Conv2d(IMAGE[0], IMAGE[0], 3, padding=1) for _ in range(2))
    optimiser = torch.optim.SGD(layer.parameters(), lr=0.02, momentum=0.9)

    def step() -> None:
        images = torch.randn(16, *IMAGE, generator=rng)
        optimiser.zero_grad()
        off = layer(images) - wanted(images).detach()
        off.square().mean().backward()
        optimiser.step()

    yield from tracked([Operator("kernel", (layer,), IMAGE)], step, rng)
