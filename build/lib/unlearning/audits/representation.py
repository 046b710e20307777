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
from unlearning.outputs import groups_of, logits_of, outputs_of

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
    """Run a network once over a split, in evaluation mode and full precision.

    What a layer reads is averaged over positions: the pixels of a convolution's input, the tokens
    of a linear layer's. layers: names of convolutions or linear layers; without them those that
    `at_depths` gives.
    """
    some = next(part for part in groups_of(split).values() if len(part))
    names = at_depths(network, some, depths) if layers is None else layers
    with _reading(network, names) as read:
        outputs = outputs_of(network, split)
    return Representation(outputs, {name: torch.cat(read[name]).numpy() for name in names})


def at_depths(network: nn.Module, examples: Examples, depths: int) -> list[str]:
    """Name layers with weights at 1/depths, 2/depths, ... of the way; the last is the last one.

    Layers are counted in the order in which they run; one that runs twice is no depth. Raises
    UsageError if there are fewer.
    """
    named = [name for name, module in network.named_modules() if isinstance(module, KINDS)]
    with _reading(network, named) as read:
        logits_of(network, examples.take(np.arange(1)))
    order = [name for name, parts in read.items() if len(parts) == 1]
    if not 1 <= depths <= len(order):
        raise UsageError(
            f"depths: got {depths}, expected 1 to {len(order)}, as many as there are convolutions "
            "and linear layers"
        )
    return [order[len(order) * k // depths - 1] for k in range(1, depths + 1)]


@contextmanager
def _reading(network: nn.Module, layers: Sequence[str]) -> Iterator[dict[str, list[Tensor]]]:
    """Keep what layers read, batch by batch; names come in the order in which they first ran."""
    read: dict[str, list[Tensor]] = {}

    def keep(name: str) -> Any:
        return lambda layer, given: read.setdefault(name, []).append(_averaged(layer, given[0]))

    hooks = [layer_of(network, name).register_forward_pre_hook(keep(name)) for name in layers]
    try:
        yield read
    finally:
        for hook in hooks:
            hook.remove()


def _averaged(layer: nn.Module, given: Tensor) -> Tensor:
    """Average over positions: the last axes of a convolution's input, the middle ones otherwise."""
    if isinstance(layer, nn.Conv2d):
        given = given.mean((2, 3))
    elif given.ndim > 2:
        given = given.flatten(1, -2).mean(1)
    return given.float().cpu()
