"""A network's scales set to a standard, at the same answers.

What a step of training does to a network depends on scales that its answers do not show: weights a
hundred times as large before a batch norm hardly move, others fall to pieces. Whoever proposes a
network chooses them. So before a door is opened every factor that can be chosen is set: each row of
weights that a batch norm or a ReLU follows has the norm of He's start, each channel of a norm a
mean square of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from unlearning.domain import BoolArray, FloatArray
from unlearning.judging.channels import BATCH_NORMS, FIXED, WEIGHTS, Layer, layers_of

ROW = 2**0.5
"""Norm of a row of weights at He's start, whatever its length."""

NOUGHT = 1e-12
"""Rows and channels that are smaller are taken to be nothing, and stay."""


def standardised(network: nn.Module) -> nn.Module:
    """Give a copy with the same answers in which no factor is left that these do not show.

    network: on the CPU, a `Classifier` or its body. What cannot be traced, or is of a kind that
    `channels` does not know, stays as it is.
    """
    copy = deepcopy(network)
    body = copy.get_submodule("body") if hasattr(copy, "body") else copy
    layers = layers_of(body)
    with torch.no_grad():
        for layer in layers:
            _turn(layer)
        _rescale(layers)
    return copy


def _turn(norm: Layer) -> None:
    """Make a batch norm's factors positive, by the signs of the rows in front of it."""
    if norm.normalises is None:
        return
    sign = torch.where(norm.module.weight < 0, -1.0, 1.0)
    norm.module.weight.mul_(sign)
    norm.module.running_mean.mul_(sign)
    _times(norm.normalises, sign)


def _rescale(layers: Sequence[Layer]) -> None:
    """Go through the layers in order: undo the factor on what each reads, set that of its own."""
    factors = _of_norms(layers)
    free = _free(layers, len(factors))
    for layer in layers:
        _divide(layer.module, torch.from_numpy(factors[layer.reads]))
        if isinstance(layer.module, WEIGHTS):
            size = layer.module.weight.flatten(1).double().norm(dim=1).numpy()
            own = free[layer.gives] & (size > NOUGHT)
            factors[layer.gives[own]] = ROW / size[own]
        _times(layer.module, torch.from_numpy(factors[layer.gives]))


def _of_norms(layers: Sequence[Layer]) -> FloatArray:
    """Give every group's factor by the norms that give to it, (groups,); 1 where none does."""
    norms = [layer for layer in layers if not isinstance(layer.module, WEIGHTS)]
    count = 1 + max((int(layer.gives.max()) for layer in layers), default=FIXED)
    total, given = np.zeros(count), _given(norms, count)
    for layer in norms:
        square = layer.module.weight.double() ** 2 + layer.module.bias.double() ** 2
        np.add.at(total, layer.gives, square.numpy())
    size = np.sqrt(total / np.maximum(1, given))
    known = _free(layers, count) & (size > NOUGHT)
    return np.where(known, 1 / np.where(known, size, 1), 1.0)


def _given(layers: Sequence[Layer], count: int) -> FloatArray:
    """Count how many channels give to each group, (groups,)."""
    gives = [layer.gives for layer in layers] or [np.zeros(0, dtype=np.int64)]
    return np.bincount(np.concatenate(gives), minlength=count).astype(np.float64)


def _free(layers: Sequence[Layer], count: int) -> BoolArray:
    """Say which groups have a factor: given to by norms alone, or by one row of weights alone."""
    rows = _given([layer for layer in layers if isinstance(layer.module, WEIGHTS)], count)
    free = (rows == 0) | (_given(layers, count) == 1)
    free[FIXED] = False
    return np.asarray(free)


def _times(module: Any, factor: Tensor) -> None:
    """Multiply what a layer gives, channel by channel, (outputs,)."""
    weight = module.weight
    weight.mul_(factor.reshape(-1, *[1] * (weight.ndim - 1)))
    if module.bias is not None:
        module.bias.mul_(factor)


def _divide(module: Any, factor: Tensor) -> None:
    """Have a layer answer the same when what it reads is multiplied by `factor`, (inputs,)."""
    if type(module) in BATCH_NORMS:
        variance = (module.running_var.double() + module.eps) * factor**2 - module.eps
        module.running_mean.mul_(factor)
        module.running_var.copy_(variance)
    elif isinstance(module, nn.Linear):
        module.weight.div_(factor)
    elif isinstance(module, nn.Conv2d):
        out, groups = module.out_channels, module.groups
        of = factor.reshape(groups, -1).repeat_interleave(out // groups, 0)
        module.weight.div_(of[:, :, None, None])
