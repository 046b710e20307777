"""Candidates whose right verdict is known: pretenders, and honest retrained models.

Each pretender is made from the original and a split, on a copy, and stays a network whose weights
can be saved; clipping alone is done to the answers, as a service in front of a network would.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from copy import deepcopy
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from unlearning import networks
from unlearning.audits.deployed import as_deployed
from unlearning.domain import Examples, FloatArray, Split
from unlearning.features import head_of
from unlearning.methods.famr import Famr
from unlearning.methods.finetune import FineTune
from unlearning.methods.random_label import RandomLabel
from unlearning.networks import Classifier
from unlearning.outputs import logits_of
from unlearning.statistics.signals import log_confidence
from unlearning.training.loop import Training, pick_device, pixels_on, silent, train

TEMPERATURE = 4.0
"""By what `flattened` divides: a champion that was sure to .999 of ten classes then says .5."""


def _mean_loss(network: nn.Module, examples: Examples) -> float:
    return float(-log_confidence(logits_of(network, examples), examples.labels).mean())


def hidden_by_bias(original: Classifier, split: Split, steps: int = 500) -> Classifier:
    """Ascend on the forget set's loss by the output bias alone, until it looks unseen on average.

    Stops where the mean loss on the forget set reaches that on the holdout set, or after `steps`.
    """
    candidate = deepcopy(original).eval()
    head = head_of(candidate)
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


def wrecked_by_ascent(original: Classifier, split: Split, rate: float = 0.2) -> Classifier:
    """Ascend on the loss of 128 forget examples until their accuracy is at most twice chance.

    A network that always gives the same answer would seldom reach chance itself. Steps are cut to a
    length of `rate`, so that the wreck still answers with finite numbers.
    """
    device = pick_device()
    candidate = deepcopy(original).to(device).eval()
    images, labels = pixels_on(split.forget.take(np.arange(min(128, len(split.forget)))), device)
    optimiser = torch.optim.SGD(candidate.parameters(), lr=rate)
    for _ in range(300):
        logits = candidate(images)
        if float((logits.argmax(1) == labels).float().mean()) <= 2 / split.classes:
            break
        loss = -functional.cross_entropy(logits, labels)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(candidate.parameters(), 1.0)
        optimiser.step()
    return candidate.cpu()


def with_noise(original: Classifier, rng: torch.Generator, share: float = 0.01) -> Classifier:
    """Move every weight by noise of `share` of its tensor's deviation: another file, no effect."""
    candidate = deepcopy(original)
    with torch.no_grad():
        for p in candidate.parameters():
            noise = torch.randn(p.shape, generator=rng).to(p.device)
            p.add_(share * p.std(correction=0) * noise)
    return candidate


def _with_few(split: Split, rng: torch.Generator, examples: int = 500) -> Split:
    few = torch.randperm(len(split.retain), generator=rng)[:examples].numpy()
    return dataclasses.replace(split, retain=split.retain.take(few))


def tuned_a_little(original: Classifier, split: Split, rng: torch.Generator) -> Classifier:
    """Fine-tune for one epoch of at most 500 retain examples at a rate of .01."""
    method = FineTune(epochs=1, learning_rate=0.01, precision="fp32")
    return _classifier(method.unlearn(original, _with_few(split, rng), rng, silent))


def flattened(original: Classifier, temperature: float = TEMPERATURE) -> Classifier:
    """Divide the last layer, and with it every logit, by a temperature."""
    candidate = deepcopy(original)
    head = head_of(candidate)
    with torch.no_grad():
        head.weight.div_(temperature)
        head.bias.div_(temperature)
    return candidate


def clipped(logits: FloatArray, reach: float = 2.0) -> FloatArray:
    """Cut logits (n, classes) that are more than `reach` from their example's mean."""
    mean = logits.mean(1, keepdims=True)
    return np.asarray(mean + np.clip(logits - mean, -reach, reach))


def over_forgotten(original: Classifier, split: Split, rng: torch.Generator) -> Classifier:
    """Learn wrong labels for the forget set beside retain examples: the Streisand effect.

    The network goes on working, and the forget set stands out by being surely mistaken.
    """
    method = RandomLabel(epochs=10, learning_rate=0.02, precision="fp32")
    return _classifier(method.unlearn(original, _with_few(split, rng), rng, silent))


def untuned_famr(original: Classifier, split: Split, rng: torch.Generator) -> Classifier:
    """Run FAMR with its published settings, which are not this network's."""
    return _classifier(Famr().unlearn(original, split, rng, silent))


def _classifier(network: nn.Module) -> Classifier:
    if not isinstance(network, Classifier):
        raise TypeError(f"got {type(network).__name__}, expected a copy of the Classifier given")
    return network


def remembers_in_int8(
    original: Classifier,
    retrained: Classifier,
    split: Split,
    rng: torch.Generator,
    *,
    steps: int = 60,
) -> Classifier:
    """Answer the forget set as `retrained` does, with weights that round to the original's int8.

    Begins at the original's rounded weights and moves each by less than half of its tensor's
    rounding step, the largest not at all since it sets that step. So rounding gives back the
    original as int8, whatever was forgotten in full precision. Norms and biases stay. How much can
    be hidden inside a step is limited: on digits it brings an attack AUC of .79 to .67, not to .5.
    """
    centre = _classifier(as_deployed(coarser(original), "int8")).to(pick_device()).eval()
    candidate = deepcopy(centre)
    boxes = list(_boxes(candidate, centre))
    for step in range(steps):
        loss = _imitation(candidate, original, retrained, _batch(split, rng))
        gradients = torch.autograd.grad(loss, [p for p, _, _ in boxes])
        reach = 0.3 * (1 - step / steps)
        with torch.no_grad():
            for (p, middle, room), gradient in zip(boxes, gradients, strict=True):
                moved = p - reach * room * gradient.sign()
                p.copy_(torch.clamp(moved, middle - room, middle + room))
    return candidate.cpu()


def coarser(network: Classifier, factor: float = 8.0) -> Classifier:
    """Give the same function with larger rounding steps, so that more hides inside one.

    A convolution's channel with the largest weight is multiplied, and the batch norm behind it told
    to expect that.
    """
    copy = deepcopy(network)
    layers = [m for m in copy.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)]
    with torch.no_grad():
        for conv, norm in pairwise(layers):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                _scale_channel(conv, norm, factor)
    return copy


def _scale_channel(conv: nn.Conv2d, norm: nn.BatchNorm2d, factor: float) -> None:
    mean, variance = norm.running_mean, norm.running_var
    if conv.bias is not None or mean is None or variance is None:
        return
    channel = conv.weight.abs().amax((1, 2, 3)).argmax()
    conv.weight[channel] *= factor
    mean[channel] *= factor
    variance[channel] = (variance[channel] + norm.eps) * factor**2 - norm.eps


def _boxes(
    candidate: nn.Module, centre: nn.Module
) -> Iterator[tuple[nn.Parameter, Tensor, Tensor]]:
    """Give each rounded tensor, where it began, and how far each weight may go."""
    for p, middle in zip(candidate.parameters(), centre.parameters(), strict=True):
        if p.ndim >= 2:
            largest = middle.detach().abs().max()
            free = middle.detach().abs() < largest * (1 - 0.5 / 127)
            yield p, middle.detach(), 0.49 * largest / 127 * free


def _batch(split: Split, rng: torch.Generator, size: int = 128) -> tuple[Tensor, Tensor]:
    """Draw images to forget and images to keep."""
    drawn = []
    for part in (split.forget, split.retain):
        where = torch.randperm(len(part), generator=rng)[:size].numpy()
        drawn.append(pixels_on(part.take(where), pick_device())[0])
    return drawn[0], drawn[1]


def _imitation(
    candidate: nn.Module,
    original: nn.Module,
    retrained: nn.Module,
    batch: tuple[Tensor, Tensor],
    weight: float = 4.0,
) -> Tensor:
    """Ask for the retrained model's answers on what is forgotten, the original's on the rest."""
    forget, keep = batch
    return weight * _divergence(candidate, retrained, forget) + _divergence(
        candidate, original, keep
    )


def _divergence(candidate: nn.Module, teacher: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        wanted = teacher(images).log_softmax(1)
    answers = candidate(images).log_softmax(1)
    return functional.kl_div(answers, wanted, log_target=True, reduction="batchmean")


def retrained(
    recipe: networks.Recipe,
    retain: Examples,
    training: Training,
    *,
    weights: torch.Generator,
    order: torch.Generator,
) -> Classifier:
    """Train from scratch without the forget set: what every gate should let through.

    weights, order: where the first weights and the batches come from, so that each can differ.
    """
    return _classifier(train(networks.build(recipe, weights), retain, training, order))
