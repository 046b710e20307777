"""What the layers of a network read, at several depths, for every example that it answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from unlearning.domain import Examples, FloatArray, Outputs, Split
from unlearning.errors import UsageError
from unlearning.features import layer_of
from unlearning.outputs import BATCH, groups_of, outputs_of
from unlearning.training import pick_device

KINDS = (nn.Conv2d, nn.Linear)
"""Layers with weights, before each of which features are taken."""


@dataclass(frozen=True, eq=False)
class Representation:
    """One network's answers, and on the same examples in the same order what its layers read.

    features: by the name of the layer that reads them, (n, d) float32, from early to late.
    """

    outputs: Outputs
    features: Mapping[str, FloatArray]


def representation_of(
    network: nn.Module, split: Split, layers: Sequence[str] | None = None, *, depths: int = 3
) -> Representation:
    """Run a network over a split.

    layers: names of convolutions or linear layers; without them those that `at_depths` gives.
    """
    groups = [part for part in groups_of(split).values() if len(part)]
    names = at_depths(network, groups[0], depths) if layers is None else layers
    found = [features_at(network, part, names) for part in groups]
    features = {name: np.concatenate([part[name] for part in found]) for name in names}
    return Representation(outputs_of(network, split), features)


def at_depths(network: nn.Module, examples: Examples, depths: int) -> list[str]:
    """Name layers with weights at 1/depths, 2/depths, ... of the way; the last is the last one.

    Layers are counted in the order in which they run. Raises UsageError if there are fewer.
    """
    order = _in_order(network, examples.take(np.arange(1)))
    if not 1 <= depths <= len(order):
        raise UsageError(
            f"depths: got {depths}, expected 1 to {len(order)}, as many as there are convolutions "
            "and linear layers"
        )
    return [order[len(order) * k // depths - 1] for k in range(1, depths + 1)]


def features_at(
    network: nn.Module, examples: Examples, layers: Sequence[str]
) -> dict[str, FloatArray]:
    """Give what layers read, (n, d) float32 each, averaged over positions, in evaluation mode.

    A position is a pixel of a convolution's input, or a token of a linear layer's.
    """
    device, was_training = pick_device(), network.training
    home, size = next(network.parameters()).device, BATCH[device.type]
    network.to(device).eval()
    parts: dict[str, list[Tensor]] = {name: [] for name in layers}
    with _reading(network, layers) as read, torch.inference_mode():
        for start in range(0, len(examples), size):
            network(torch.from_numpy(examples.images[start : start + size]).to(device))
            for name in layers:
                parts[name].append(read[name].float().cpu())
    network.to(home).train(was_training)
    return {name: torch.cat(part).numpy() for name, part in parts.items()}


@contextmanager
def _reading(network: nn.Module, layers: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Keep, by name, what layers read in the latest pass; names come in the order of running."""
    read: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        return lambda layer, given: read.update({name: _averaged(layer, given[0])})

    hooks = [layer_of(network, name).register_forward_pre_hook(keep(name)) for name in layers]
    try:
        yield read
    finally:
        for hook in hooks:
            hook.remove()


def _averaged(layer: nn.Module, given: Tensor) -> Tensor:
    """Average over positions: the last axes of a convolution's input, the middle ones otherwise."""
    if isinstance(layer, nn.Conv2d):
        return given.mean((2, 3))
    return given.flatten(1, -2).mean(1) if given.ndim > 2 else given


def _in_order(network: nn.Module, example: Examples) -> list[str]:
    named = [name for name, module in network.named_modules() if isinstance(module, KINDS)]
    device, was_training = pick_device(), network.training
    home = next(network.parameters()).device
    network.to(device).eval()
    with _reading(network, named) as read, torch.inference_mode():
        network(torch.from_numpy(example.images).to(device))
    network.to(home).train(was_training)
    return list(read)
