"""What a network knows before its last layer: features at a named layer, and a linear probe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from unlearning.domain import BoolArray, Examples, FloatArray
from unlearning.errors import UsageError
from unlearning.outputs import BATCH
from unlearning.statistics.intervals import auc
from unlearning.training.loop import pick_device


class Tap:
    """What passed a layer in the latest forward pass, with its graph."""

    value: Tensor


def head_of(network: nn.Module) -> nn.Linear:
    """Give the last linear layer, which turns features into logits; raises UsageError if none."""
    linear = [m for m in network.modules() if isinstance(m, nn.Linear)]
    if not linear:
        raise UsageError("features: the network has no linear layer; name a layer instead")
    return linear[-1]


def layer_of(network: nn.Module, layer: str) -> nn.Module:
    """Give a layer by its dotted name; raises UsageError, which lists names."""
    named: dict[str, nn.Module] = dict(network.named_modules())
    if not layer or layer not in named:
        known = ", ".join(name for name in list(named)[1:13])
        raise UsageError(f"layer: got {layer!r}, expected a module's name, such as {known}")
    return named[layer]


@contextmanager
def tapped(network: nn.Module, layer: str | None = None) -> Iterator[Tap]:
    """Watch the output of a named layer, or, without a name, the input of the last linear one."""
    tap = Tap()

    def keep_output(module: nn.Module, given: tuple[Any, ...], output: Tensor) -> None:
        tap.value = output

    def keep_input(module: nn.Module, given: tuple[Any, ...]) -> None:
        tap.value = given[0]

    if layer is None:
        handle = head_of(network).register_forward_pre_hook(keep_input)
    else:
        handle = layer_of(network, layer).register_forward_hook(keep_output)
    try:
        yield tap
    finally:
        handle.remove()


def flat(values: Tensor) -> Tensor:
    """Lay a layer's output flat, (n, d)."""
    return values.flatten(1)


def features_of(
    network: nn.Module,
    examples: Examples,
    layer: str | None = None,
    reduce: Callable[[Tensor], Tensor] = flat,
) -> FloatArray:
    """Give the features (n, d) float32 of the examples, in evaluation mode and full precision.

    layer: dotted name of the module whose output is taken; without one the penultimate features,
    which the last linear layer reads. reduce: makes (n, d) of an output, whatever its shape.
    """
    device, was_training = pick_device(), network.training
    home, size = next(network.parameters()).device, BATCH[pick_device().type]
    network.to(device).eval()
    parts = []
    with tapped(network, layer) as tap, torch.inference_mode():
        for start in range(0, len(examples), size):
            network(torch.from_numpy(examples.images[start : start + size]).to(device))
            parts.append(reduce(tap.value).float().cpu())
    network.to(home).train(was_training)
    return np.asarray(torch.cat(parts).numpy())


def probe_auc(
    train: FloatArray, is_train: BoolArray, test: FloatArray, is_test: BoolArray
) -> float:
    """How well a linear probe tells one kind of example from the others, as AUC on test features.

    train, test: (n, d) features; is_train, is_test: (n,), True for that kind. The probe is a
    logistic regression on standardised features, the two kinds weighted alike.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    logistic = LogisticRegression(class_weight="balanced", max_iter=2000)
    probe = make_pipeline(StandardScaler(), logistic).fit(train, is_train)
    scores = probe.decision_function(test)
    return auc(scores[is_test], scores[~is_test])
