"""A bound on a whole network: the product of its layers' norms, where that is one."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from unlearning.errors import UsageError
from unlearning.lipschitz.operators import LINEAR, Operator, operators_of
from unlearning.lipschitz.spectrum import converged, random_start
from unlearning.networks import Classifier

SHORTENING = (nn.ReLU, nn.Identity, nn.Flatten, nn.AdaptiveAvgPool2d, nn.Dropout)
"""Layers that bring no two inputs further apart, beside pooling over places that do not overlap."""


def norm(operator: Operator) -> float:
    """Give an operator's largest singular value, iterated until it stands still."""
    rng = torch.Generator().manual_seed(0)
    return float(converged(operator, random_start(operator, 8, rng)).values[0])


def bound_of(network: Classifier) -> float:
    """Give how far logits may move, in L2, for pixels (0..1) that move by 1 in L2.

    For networks that are one layer after another; UsageError for any other: what goes past a layer
    adds, and attention has no such bound.
    """
    recipe, body = network.recipe, network.body
    strange = [layer for layer in body.children() if not _known(layer)]
    if not isinstance(body, nn.Sequential) or strange:
        what = type(strange[0]).__name__ if strange else type(body).__name__
        raise UsageError(
            f"network {recipe.network}: has {what}, expected layers in a row of which each is "
            "linear, ReLU or pools: a product of norms would be no bound"
        )
    pictures = torch.zeros(1, recipe.channels, recipe.size, recipe.size)
    product = math.prod(norm(of) for of in operators_of(network, _on(network, pictures)))
    return product / min(recipe.std)


def _known(layer: nn.Module) -> bool:
    if isinstance(layer, nn.MaxPool2d):
        return bool(layer.kernel_size == layer.stride)
    return isinstance(layer, (*LINEAR, nn.BatchNorm2d, *SHORTENING))


def _on(network: nn.Module, pictures: Tensor) -> Tensor:
    return pictures.to(next(network.parameters()).device)
