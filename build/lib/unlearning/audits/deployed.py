"""What is shipped: the network with its weights rounded, or as another runtime answers from it."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn

from unlearning.audits.exported import exported
from unlearning.errors import UsageError
from unlearning.gates.deployed import EXPORTED, FORMS


def as_deployed(network: nn.Module, form: str) -> nn.Module:
    """Give what is shipped, as a network of its own, so that all that judges a network judges it.

    bf16: every parameter rounded to bfloat16. int8: every tensor of at least two axes (weights of
    convolutions and linear layers, embeddings) rounded to 255 levels, symmetric about 0 and scaled
    by its largest weight; biases and norms stay, as exporters leave them. Both are in float32, and
    activations are not rounded. onnx: see `exported`. Raises UsageError for another form.
    """
    if form in EXPORTED:
        return exported(network)
    if form not in FORMS:
        raise UsageError(f"form: got {form!r}, expected one of {FORMS + EXPORTED}")
    rounded = as_bf16 if form == "bf16" else as_int8
    copy = deepcopy(network)
    with torch.no_grad():
        for parameter in copy.parameters():
            parameter.copy_(rounded(parameter))
    return copy


def as_bf16(weights: Tensor) -> Tensor:
    """Round to the nearest bfloat16: 8 significant bits."""
    return weights.to(torch.bfloat16).to(weights.dtype)


def as_int8(weights: Tensor) -> Tensor:
    """Round to whole multiples, -127 to 127, of the largest weight over 127."""
    largest = weights.abs().max()
    if weights.ndim < 2 or largest == 0:
        return weights
    scale = largest / 127
    return (weights / scale).round() * scale
