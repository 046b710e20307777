"""Candidates whose right verdict is known: pretenders, and honest retrained models."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from unlearning.domain import Examples, Split
from unlearning.networks import Classifier
from unlearning.outputs import logits_of
from unlearning.signals import log_confidence
from unlearning.training import pick_device, pixels_on


def _mean_loss(network: nn.Module, examples: Examples) -> float:
    return float(-log_confidence(logits_of(network, examples), examples.labels).mean())


def hidden_by_bias(original: Classifier, split: Split, steps: int = 500) -> Classifier:
    """Ascend on the forget set's loss by the output bias alone, until it looks unseen on average.

    Stops where the mean loss on the forget set reaches that on the holdout set, or after `steps`.
    """
    candidate = deepcopy(original).eval()
    head = [m for m in candidate.modules() if isinstance(m, nn.Linear)][-1]
    logits = torch.from_numpy(logits_of(original, split.forget))
    labels = torch.from_numpy(split.forget.labels)
    goal = _mean_loss(original, split.holdout)
    shift = torch.zeros(logits.shape[1], requires_grad=True)
    for _ in range(steps):
        loss = functional.cross_entropy(logits + shift, labels)
        if float(loss.detach()) >= goal:
            break
        (gradient,) = torch.autograd.grad(loss, [shift])
        shift = (shift + 0.5 * gradient / gradient.norm()).detach().requires_grad_()
    with torch.no_grad():
        head.bias.add_(shift.to(head.bias.device))
    return candidate


def wrecked_by_ascent(original: Classifier, split: Split, rate: float = 0.05) -> Classifier:
    """Ascend on the loss of 128 forget examples until their accuracy is at most chance."""
    device = pick_device()
    candidate = deepcopy(original).to(device).eval()
    images, labels = pixels_on(split.forget.take(np.arange(min(128, len(split.forget)))), device)
    optimiser = torch.optim.SGD(candidate.parameters(), lr=rate)
    for _ in range(300):
        logits = candidate(images)
        if float((logits.argmax(1) == labels).float().mean()) <= 1 / split.classes:
            break
        loss = -functional.cross_entropy(logits, labels)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return candidate.cpu()
