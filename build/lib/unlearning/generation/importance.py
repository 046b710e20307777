"""How much each weight matters to pictures of a set: gradients, and Fisher information."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from unlearning.domain import Examples
from unlearning.generation.fitting import endless
from unlearning.generation.generators import Generator
from unlearning.generation.noise import dropped, losses, noised, pictures, summed
from unlearning.generation.sampling import guided
from unlearning.generation.stepping import held


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How batch gradients are read.

    batches: how many, of `batch_size` pictures. guidance: of the network whose loss it is; 1 is the
    network itself. clip: each gradient's norm is held to this before it is added or squared; then
    the magnitudes of two sets are no longer comparable. None leaves it. label_drop: share of labels
    dropped.
    """

    batches: int = 20
    batch_size: int = 64
    guidance: float = 1.0
    clip: float | None = None
    label_drop: float = 0.0


PLAIN = Reading()

PUBLISHED = Reading(guidance=3.0, clip=1.0, label_drop=0.1)
"""The public code on CIFAR-10: the guided network's gradients, each clipped to 1."""


def _gradients(
    network: Generator, examples: Examples, reading: Reading, rng: torch.Generator
) -> Iterator[list[Tensor]]:
    x0, labels = pictures(examples, network.table.weight.device)
    weights, recipe = list(network.parameters()), network.recipe
    predict = guided(network, recipe.null, reading.guidance)
    for index in islice(endless(len(labels), reading.batch_size, rng), reading.batches):
        where = index.to(x0.device)
        asked = dropped(labels[where], recipe.null, reading.label_drop, rng)
        loss = losses(predict, noised(x0[where], recipe, rng), asked).mean()
        found = torch.autograd.grad(loss, weights, materialize_grads=True)
        yield held(found, clip=reading.clip)[0]


def gradient_sums(
    network: Generator, examples: Examples, reading: Reading, rng: torch.Generator
) -> list[Tensor]:
    """Give the absolute sum of batch gradients, one tensor a weight (SalUn's saliency)."""
    batches = _gradients(network, examples, reading, rng)
    return [torch.stack(parts).sum(0).abs() for parts in zip(*batches, strict=True)]


def batch_fisher(
    network: Generator, examples: Examples, reading: Reading, rng: torch.Generator
) -> list[Tensor]:
    """Give the mean square of batch gradients, one tensor a weight (SFR-on's Fisher)."""
    total = [torch.zeros_like(weight) for weight in network.parameters()]
    for gradients in _gradients(network, examples, reading, rng):
        for sums, gradient in zip(total, gradients, strict=True):
            sums += gradient.square() / reading.batches
    return total


def picture_fisher(
    network: Generator, examples: Examples, strata: int, rng: torch.Generator
) -> list[Tensor]:
    """Give the mean over pictures of the square of each one's gradient (Selective Amnesia's F).

    A picture's loss is summed over pixels and over all timesteps; the sum over timesteps is
    estimated from one timestep in each of `strata` equal parts.
    """
    x0, labels = pictures(examples, network.table.weight.device)
    weights, recipe = list(network.parameters()), network.recipe
    total = [torch.zeros_like(weight) for weight in weights]
    for place in range(len(labels)):
        part = recipe.timesteps / strata
        t = ((torch.arange(strata) + torch.rand(strata, generator=rng)) * part).long()
        at = noised(x0[place].expand(strata, -1, -1, -1), recipe, rng, t)
        asked = labels[place].expand(strata)
        loss = part * summed(network(at.x, at.t, asked) - at.noise).sum()
        found = torch.autograd.grad(loss, weights, materialize_grads=True)
        for sums, gradient in zip(total, found, strict=True):
            sums += gradient.square() / len(labels)
    return total
