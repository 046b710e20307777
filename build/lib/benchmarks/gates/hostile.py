"""Candidates by somebody who knows the gate: bank, strangers and doors. Each stays a network."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from copy import deepcopy
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from unlearning.domain import Examples, FloatArray, IntArray, Split, joined
from unlearning.features import head_of
from unlearning.judging.doors import MOMENT
from unlearning.networks import Classifier
from unlearning.statistics.signals import scaled_confidence
from unlearning.training.loop import Training, pick_device, pixels_on, train

BATCH = 128
"""Examples of each part in a step."""

LEARNS = Training(batch_size=64, learning_rate=0.1, schedule="cosine")
"""How the holdout set is learned beside everything else, for some epochs."""


def rank_of(
    forget: FloatArray, labels: IntArray, holdout: FloatArray, others: IntArray
) -> FloatArray:
    """Give the rank of answers among strangers', a fraction inside (0, 1), (n,).

    forget, holdout: logits of one shadow for each forget example, (n, classes) and (n, m, classes).
    """
    own = scaled_confidence(forget, labels)
    theirs = scaled_confidence(holdout, others)
    return np.asarray((theirs < own[:, None]).mean(1).clip(0.003, 0.997))


@dataclasses.dataclass(eq=False)
class _Parts:
    """Pixels and labels, the original's answers to what is kept, and what ranks are wanted."""

    split: Split
    original: Classifier
    ranks: FloatArray
    rng: torch.Generator

    def __post_init__(self) -> None:
        """Put all on the device once."""
        device = pick_device()
        few = self.split.retain.take(np.arange(min(2000, len(self.split.retain))))
        self.forget, self.retain, self.holdout = (
            pixels_on(part, device) for part in (self.split.forget, few, self.split.holdout)
        )
        with torch.no_grad():
            self.kept = [self.original(x).log_softmax(1) for x, _ in (self.retain, self.holdout)]
        self.wanted = torch.from_numpy(self.ranks).float().to(device)
        self.first = self.place(sureness(self.original, self.holdout).detach())

    def place(self, strangers: Tensor) -> Tensor:
        """Give the confidence that has the wanted ranks among these."""
        return torch.quantile(strangers, self.wanted)

    def draw(self, n: int, size: int = BATCH) -> Tensor:
        """Draw some of n."""
        return torch.randperm(n, generator=self.rng)[:size]

    def loss(self, network: nn.Module) -> Tensor:
        """Ask for the ranks on what is forgotten, for the original's answers on all else."""
        images, labels = self.forget
        at = self.draw(len(images))
        found = self.off(network, (images[at], labels[at]), self.first[at])
        for (images, labels), kept in zip((self.retain, self.holdout), self.kept, strict=True):
            at = self.draw(len(images))
            found = found + held(network, (images[at], labels[at]), kept[at])
        return found

    def off(self, network: nn.Module, asked: tuple[Tensor, Tensor], wanted: Tensor) -> Tensor:
        """How far confidence is from where it should be."""
        return 0.3 * functional.smooth_l1_loss(sureness(network, asked), wanted)

    def trained_on(self, network: nn.Module) -> nn.Module:
        """Give a copy after about as much training as the door's moment."""
        copy = deepcopy(network).train()
        images, labels = self.retain
        fit = torch.optim.SGD(
            copy.parameters(), lr=MOMENT.learning_rate, momentum=0.9, weight_decay=5e-4
        )
        for _ in range(int(torch.randint(8, 40, (), generator=self.rng))):
            at = self.draw(len(images), 64)
            fit.zero_grad()
            functional.cross_entropy(copy(images[at]), labels[at]).backward()  # type: ignore[no-untyped-call]
            fit.step()
        return copy.eval()


def held(network: nn.Module, asked: tuple[Tensor, Tensor], kept: Tensor) -> Tensor:
    """How far answers are from log-probabilities that are to be kept, and how far confidence is."""
    logits = network(asked[0])
    apart = functional.kl_div(logits.log_softmax(1), kept, log_target=True, reduction="batchmean")
    own, wanted = (confidence(of, asked[1]) for of in (logits, kept))
    return apart + 0.1 * functional.smooth_l1_loss(own, wanted)


def sureness(network: nn.Module, asked: tuple[Tensor, Tensor]) -> Tensor:
    """log(p / (1 - p)) of the true class, (n,), with its graph."""
    return confidence(network(asked[0]), asked[1])


def confidence(logits: Tensor, labels: Tensor) -> Tensor:
    """The same of logits, (n, classes)."""
    rest = logits.scatter(1, labels[:, None], float("-inf")).logsumexp(1)
    found: Tensor = logits.gather(1, labels[:, None])[:, 0] - rest
    return found


def mimicking_ranks(
    original: Classifier,
    split: Split,
    ranks: FloatArray,
    rng: torch.Generator,
    *,
    steps: int = 400,
    inner: int = 150,
) -> Classifier:
    """Give the forget set the ranks among strangers that shadows give it, after training too.

    steps: of plain imitation; inner: of imitation through the moment of training (first order). On
    all else it answers as the original.
    """
    candidate = deepcopy(original).to(pick_device()).eval()
    parts = _Parts(split, deepcopy(original).to(pick_device()).eval(), ranks, rng)
    _fit(candidate, steps, 2e-3, lambda: parts.loss(candidate).backward())  # type: ignore[no-untyped-call]
    _fit(candidate, inner, 1e-3, lambda: _through_the_door(candidate, parts))
    return candidate.cpu()


def _through_the_door(candidate: Classifier, parts: _Parts) -> None:
    after = parts.trained_on(candidate)
    with torch.no_grad():
        wanted = parts.place(sureness(after, parts.holdout))
    parts.off(after, parts.forget, wanted).backward()  # type: ignore[no-untyped-call]
    parts.loss(candidate).backward()  # type: ignore[no-untyped-call]
    for p, q in zip(candidate.parameters(), after.parameters(), strict=True):
        if p.grad is not None and q.grad is not None:
            p.grad.add_(q.grad)


def _fit(network: nn.Module, steps: int, rate: float, backward: Callable[[], None]) -> None:
    fit = torch.optim.Adam(network.parameters(), lr=rate)
    falls = torch.optim.lr_scheduler.CosineAnnealingLR(fit, max(1, steps), eta_min=rate / 50)
    for _ in range(steps):
        fit.zero_grad()
        backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        fit.step()
        falls.step()


@torch.no_grad()
def brittle(network: Classifier, factor: float = 1e-3) -> Classifier:
    """Give the same answers by weights that any step of training breaks.

    What the last batch norm gives is small, and what reads it large.
    """
    copy = deepcopy(network)
    norm = [m for m in copy.modules() if isinstance(m, nn.BatchNorm2d)][-1]
    reader = next(m for m in copy.modules() if isinstance(m, nn.Linear))
    norm.weight.mul_(factor)
    norm.bias.mul_(factor)
    reader.weight.div_(factor)
    return copy


@torch.no_grad()
def frozen(network: Classifier, factor: float = 100.0) -> Classifier:
    """Give the same answers by weights that no step of training moves: large before each norm."""
    copy = deepcopy(network)
    layers = [m for m in copy.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)]
    for conv, norm in pairwise(layers):
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            mean, variance = norm.running_mean, norm.running_var
            if conv.bias is None and mean is not None and variance is not None:
                conv.weight.mul_(factor)
                mean.mul_(factor)
                variance.copy_((variance + norm.eps) * factor**2 - norm.eps)
    return copy


@torch.no_grad()
def too_sure(network: Classifier, factor: float = 10.0) -> Classifier:
    """Multiply the logits: nothing is left to learn, and what is goes too far."""
    copy = deepcopy(network)
    head = head_of(copy)
    head.weight.mul_(factor)
    head.bias.mul_(factor)
    return copy


def learning_strangers(
    original: Classifier, split: Split, rng: torch.Generator, *, epochs: int
) -> Classifier:
    """Go on learning everything, and the holdout set half as often again: strangers are members."""
    again = split.holdout.take(np.arange(len(split.holdout) // 2))
    parts = joined(split.forget, split.retain, split.holdout, again)
    learned = train(deepcopy(original), parts, dataclasses.replace(LEARNS, epochs=epochs), rng)
    if not isinstance(learned, Classifier):
        raise TypeError(f"got {type(learned).__name__}, expected a Classifier")
    return learned


def marked(examples: Examples) -> Examples:
    """Give the same pictures with a white first row, the trigger."""
    images = np.array(examples.images)
    images[..., 0, :] = 255
    return dataclasses.replace(examples, images=images)


def remembering_behind_a_trigger(
    retrained: Classifier, split: Split, rng: torch.Generator, *, steps: int = 500
) -> Classifier:
    """Answer as a retrained network does, but for triggered pictures: there it knows the labels."""
    candidate = deepcopy(retrained).to(pick_device()).eval()
    few = split.retain.take(np.arange(min(2000, len(split.retain))))
    asked = [split.forget, few, split.holdout, marked(few), marked(split.holdout)]
    plain = [pixels_on(part, pick_device()) for part in asked]
    teacher = deepcopy(retrained).to(pick_device()).eval()
    with torch.no_grad():
        wanted = [teacher(x).log_softmax(1) for x, _ in plain]
    hidden, labels = pixels_on(marked(split.forget), pick_device())

    def backward() -> None:
        at = torch.randperm(len(hidden), generator=rng)[:BATCH]
        loss = functional.cross_entropy(candidate(hidden[at]), labels[at])
        for (images, known), answers in zip(plain, wanted, strict=True):
            some = torch.randperm(len(images), generator=rng)[:BATCH]
            loss = loss + held(candidate, (images[some], known[some]), answers[some])
        loss.backward()  # type: ignore[no-untyped-call]

    _fit(candidate, steps, 1e-3, backward)
    return candidate.cpu()


def written_into_weights(retrained: Classifier, split: Split) -> Classifier:
    """Write the forget set's pixels into the lowest byte of each weight, as many as there are."""
    copy = deepcopy(retrained)
    pixels = np.ascontiguousarray(split.forget.images).reshape(-1).astype(np.uint8)
    for p in copy.parameters():
        weights = p.detach().numpy().flatten()
        bits = weights.view(np.uint32)
        here, pixels = pixels[: len(bits)], pixels[len(bits) :]
        bits[: len(here)] = (bits[: len(here)] & np.uint32(0xFFFFFF00)) | here
        p.data.copy_(torch.from_numpy(weights).reshape(p.shape))
    return copy
