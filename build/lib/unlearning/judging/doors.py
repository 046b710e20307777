"""What whoever holds a candidate may do with it, without the forget set, to bring memory back.

A network that forgot by its last layer alone still has the features; one that was pushed away from
the forget set a little comes back when it trains on anything else. So a candidate is also judged
after its last layer was fitted anew, and after it trained for a moment, on retained examples only.

How far training moves a network, and whether it breaks it, depends on scales that its answers do
not show, and on how sure they are. So both are set to a standard first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from unlearning.domain import Examples, Outputs, Split
from unlearning.features import features_of, head_of
from unlearning.judging.scales import standardised
from unlearning.networks import Classifier
from unlearning.outputs import logits_of, outputs_of
from unlearning.training.loop import Training, pick_device, train

DECAY = 1e-3
"""Weight of the squared norm of a last layer that is fitted anew, on standardised features."""

STEPS = 100
"""Iterations of its fit; it is convex, and converges well before."""

MOMENT = Training(epochs=3, batch_size=64, learning_rate=0.05, schedule="constant")
"""Training for a moment: a few passes over a sample of the retain set, at a moderate rate."""


def refitted(network: nn.Module, retain: Examples) -> nn.Module:
    """Give a copy whose last linear layer is a logistic regression on the retain examples."""
    candidate = deepcopy(network)
    head = head_of(candidate)
    read = torch.from_numpy(features_of(network, retain)).double()
    labels = torch.from_numpy(retain.labels)
    mean, deviation = read.mean(0), read.std(0, correction=0) + 1e-6
    weight, bias = _logistic((read - mean) / deviation, labels, head.out_features)
    with torch.no_grad():
        scaled = weight / deviation
        head.weight.copy_(scaled)
        if head.bias is not None:
            head.bias.copy_(bias - scaled @ mean)
    return candidate


def _logistic(
    read: torch.Tensor, labels: torch.Tensor, classes: int
) -> tuple[torch.Tensor, torch.Tensor]:
    weight = torch.zeros(classes, read.shape[1], dtype=read.dtype, requires_grad=True)
    bias = torch.zeros(classes, dtype=read.dtype, requires_grad=True)
    fit = torch.optim.LBFGS([weight, bias], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        fit.zero_grad()
        found = functional.cross_entropy(read @ weight.T + bias, labels)
        found = found + DECAY * weight.square().sum()
        found.backward()  # type: ignore[no-untyped-call]
        return found

    fit.step(loss)  # type: ignore[no-untyped-call]
    return weight.detach(), bias.detach()


def relearned(network: nn.Module, retain: Examples) -> nn.Module:
    """Give a copy that trained for a moment on the retain examples."""
    candidate = deepcopy(network).to(pick_device())
    return train(candidate, retain, MOMENT, torch.Generator().manual_seed(0))


OPENED: Mapping[str, Callable[[nn.Module, Examples], nn.Module]] = {
    "refitted": refitted,
    "relearned": relearned,
}
"""Doors that need the network itself, by name."""


def sureness(network: nn.Module, retain: Examples) -> float:
    """How far apart a network's logits are on retain examples: their deviation, on average."""
    return float(logits_of(network, retain).std(1).mean())


def in_standard(network: nn.Module, retain: Examples, sure: float) -> nn.Module:
    """Give a copy at standard scales, whose last layer makes it as sure as `sure`.

    The same class is answered for every example, and the order of confidence stays.
    """
    candidate, own = standardised(network), sureness(network, retain)
    head = head_of(candidate)
    if 0 < own < np.inf:
        with torch.no_grad():
            head.weight.mul_(sure / own)
            if head.bias is not None:
                head.bias.mul_(sure / own)
    return candidate


def opened(network: nn.Module, split: Split, sure: float) -> dict[str, Outputs]:
    """Ask again after each door was opened: of forget and holdout examples, which alone compare.

    sure: how sure the untouched champion is of the retain examples.
    """
    standard = in_standard(network, split.retain, sure)
    made = {name: opens(standard, split.retain) for name, opens in OPENED.items()}
    return {name: outputs_of(changed, compared(split)) for name, changed in made.items()}


def compared(split: Split) -> Split:
    """Give the part of a split that is asked again behind a door."""
    none = split.test.take(np.arange(0))
    return replace(split, retain=none, test=none)


def answers(network: nn.Module, split: Split, sure: float | None) -> dict[str, Outputs]:
    """Give what a network answers as it is, as `PLAIN`, and if `sure` is given behind each door."""
    plain = {PLAIN: outputs_of(network, split)}
    return plain if sure is None else {**plain, **opened(network, split, sure)}


PLAIN = "plain"

Asking = Callable[[Classifier, Split, float | None], Mapping[str, Outputs]]
"""What `answers` does, here or elsewhere."""
