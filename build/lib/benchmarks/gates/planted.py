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
from unlearning.statistics.signals import log_confidence, scaled_confidence
from unlearning.training.loop import Training, pick_device, pixels_on, silent, train

TEMPERATURES = (2.0, 4.0, 8.0, 12.0, 20.0)
"""By what `flattened` divides: at 4, who was sure to .999 of ten classes says .5."""

SURE = 5.0
"""The logit of the class that `top_one` answers; all others are 0."""


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


def flattened(logits: FloatArray, temperature: float) -> FloatArray:
    """Divide every logit by a temperature."""
    return logits / np.float32(temperature)


def clipped(logits: FloatArray, reach: float = 2.0) -> FloatArray:
    """Cut logits (n, classes) that are more than `reach` from their example's mean."""
    mean = logits.mean(1, keepdims=True)
    return np.asarray(mean + np.clip(logits - mean, -reach, reach))


def top_one(logits: FloatArray) -> FloatArray:
    """Answer with the first class alone, always as surely."""
    return np.where(logits == logits.max(1, keepdims=True), SURE, 0.0).astype(np.float32)


def noisy(logits: FloatArray, share: float = 1.0) -> FloatArray:
    """Add noise of `share` of the logits' deviation, the same each time it is asked."""
    noise = np.random.default_rng(1).normal(size=logits.shape)
    return np.asarray(logits + share * logits.std() * noise, dtype=np.float32)


def calibrated_to(
    logits: FloatArray, own: FloatArray, wanted: FloatArray, *, by_class: bool = False
) -> FloatArray:
    """Map how sure answers are to how sure shadows are of strangers, rank by rank.

    own, wanted: logits of this network and of a shadow on the same strangers. Which class is
    answered, and how the others share the rest, stays.
    """
    first, sure = logits.argmax(1), surest(logits)
    mapped = np.empty(len(logits))
    for k in range(logits.shape[1]):
        of = first == k
        theirs, ours = (x[x.argmax(1) == k] if by_class else x for x in (wanted, own))
        if of.any():
            at = np.sort(surest(ours)) if len(ours) else sure[of]
            to = np.sort(surest(theirs)) if len(theirs) else at
            rank = np.searchsorted(at, sure[of]) / len(at)
            mapped[of] = np.quantile(to, rank.clip(0, 1))
    rest = logits.astype(np.float64)
    np.put_along_axis(rest, first[:, None], -np.inf, axis=1)
    rest -= np.logaddexp.reduce(rest, axis=1)[:, None]
    np.put_along_axis(rest, first[:, None], mapped[:, None], axis=1)
    return np.asarray(rest, dtype=np.float32)


def surest(logits: FloatArray) -> FloatArray:
    """log(p / (1 - p)) of the class that is answered, (n,)."""
    return scaled_confidence(logits, logits.argmax(1))


def with_class_hidden(original: Classifier, split: Split, shift: float) -> Classifier:
    """Move the output bias of the classes that are forgotten whole: they are never answered."""
    candidate = deepcopy(original)
    gone = split.forgotten_classes
    with torch.no_grad():
        head_of(candidate).bias[torch.from_numpy(gone)] += shift
    return candidate


def mimicking(
    original: Classifier,
    split: Split,
    answers: FloatArray,
    rng: torch.Generator,
    *,
    keep: bool,
    head: bool = False,
    steps: int = 400,
) -> Classifier:
    """Answer the forget set as models do that never saw it, by the shortest way.

    answers: (n, classes) logits of a shadow for each forget example. keep: hold on to the
    original's answers on retained examples, too. head: move the last layer alone.
    """
    candidate = deepcopy(original).to(pick_device()).eval()
    moved = list((head_of(candidate) if head else candidate).parameters())
    fit = torch.optim.SGD(moved, lr=0.2 if head else 0.05, momentum=0.9)
    wanted = torch.from_numpy(answers).to(pick_device()).log_softmax(1)
    images, _ = pixels_on(split.forget, pick_device())
    kept, _ = pixels_on(split.retain.take(np.arange(min(2000, len(split.retain)))), pick_device())
    for _ in range(steps):
        at = torch.randperm(len(images), generator=rng)[:64]
        loss = _apart(candidate, images[at], wanted[at])
        if keep:
            some = kept[torch.randperm(len(kept), generator=rng)[:64]]
            loss = loss + _divergence(candidate, original, some)
        fit.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(moved, 5.0)
        fit.step()
    return candidate.cpu()


def _apart(network: nn.Module, images: Tensor, wanted: Tensor) -> Tensor:
    answers = network(images).log_softmax(1)
    return functional.kl_div(answers, wanted, log_target=True, reduction="batchmean")


def head_only_famr(original: Classifier, split: Split, rng: torch.Generator) -> Classifier:
    """Push the forget set's answers towards uniform by the last layer alone."""
    method = Famr(head_only=True, epochs=30, learning_rate=0.01, reduction="mean")
    return _classifier(method.unlearn(original, split, rng, silent))


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
