"""Our loops against bare ones over the same network, turn by turn; and the cost of measuring.

A bare loop does what is needed and nothing else: no schedule, no progress, no check of the loss.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.cost.commands import spread
from unlearning import networks
from unlearning.bank.shadows import draw_halves
from unlearning.domain import Examples, Group, Outputs, ShadowOutputs
from unlearning.judging.measuring import ATTACK, measure
from unlearning.judging.trial import Trial
from unlearning.networks import Recipe
from unlearning.outputs import BATCH, logits_of
from unlearning.training.loop import Training, pick_device, train, uses_bf16

PAIRS = 7
"""Turns of ours and bare that are timed, after one that is not."""

GRID = ((10_000, 16), (10_000, 32), (10_000, 64), (2_500, 32), (5_000, 32), (20_000, 32))
"""Examples and shadows over which the cost of measuring is shown."""


@dataclass(frozen=True)
class Case:
    """A network with random images to train on."""

    name: str
    recipe: Recipe
    n: int
    training: Training


def cases() -> tuple[Case, ...]:
    """Give ResNet-20 on CIFAR's size and conv-small on that of digits, each in two forms."""
    grey, colour = (0.5,), (0.5, 0.5, 0.5)
    small = Recipe(network="conv-small", classes=10, channels=1, size=8, mean=grey, std=grey)
    large = Recipe(network="resnet20", classes=10, channels=3, size=32, mean=colour, std=colour)
    plain = (
        Case("resnet20", large, 5_000, Training(epochs=1, batch_size=128, learning_rate=0.01)),
        Case("conv-small", small, 1_000, Training(epochs=10, batch_size=64, learning_rate=0.01)),
    )
    augmented = (
        replace(case, training=replace(case.training, augmentation="crop_flip")) for case in plain
    )
    return (*plain, *augmented)


def random_examples(n: int, recipe: Recipe, rng: np.random.Generator) -> Examples:
    """Draw images that hold nothing to learn."""
    shape = (n, recipe.channels, recipe.size, recipe.size)
    images = rng.integers(0, 256, shape, dtype=np.uint8)
    ids = np.arange(n).astype(np.str_)
    return Examples(images, rng.integers(0, recipe.classes, n), ids, ids)


def bare_training(network: nn.Module, examples: Examples, training: Training) -> None:
    """Train as a script would."""
    device = pick_device()
    network.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    images = torch.from_numpy(examples.images).to(device, memory_format=torch.channels_last)
    labels = torch.from_numpy(examples.labels).to(device)
    optimiser = torch.optim.SGD(
        network.parameters(),
        lr=training.learning_rate,
        momentum=training.momentum,
        weight_decay=training.weight_decay,
        nesterov=True,
    )
    bf16 = uses_bf16(training.precision, device)
    for _ in range(training.epochs):
        order = torch.randperm(len(labels), device=device)
        for index in torch.split(order, training.batch_size):
            picked = images[index]
            if training.augmentation != "none":
                picked = bare_crop_flip(picked)
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                loss = functional.cross_entropy(network(picked), labels[index])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    float(loss.detach())  # waits for a GPU


def bare_crop_flip(images: Tensor) -> Tensor:
    """Shift and flip a batch by one gather."""
    n, channels, size, _ = images.shape
    pad = size // 8
    padded = functional.pad(images, (pad, pad, pad, pad))
    steps = torch.arange(size, device=images.device)
    rows = torch.randint(2 * pad + 1, (n, 1), device=images.device) + steps
    columns = torch.randint(2 * pad + 1, (n, 1), device=images.device) + steps
    flip = torch.rand(n, 1, device=images.device) < 0.5
    columns = torch.where(flip, columns.flip(1), columns)
    of = torch.arange(n, device=images.device)[:, None, None, None]
    channel = torch.arange(channels, device=images.device)[:, None, None]
    return padded[of, channel, rows[:, None, :, None], columns[:, None, None, :]]


def bare_inference(network: nn.Module, examples: Examples) -> Tensor:
    """Give the logits as a script would."""
    device = pick_device()
    network.to(device).eval()
    images = torch.from_numpy(examples.images).to(device, memory_format=torch.channels_last)
    with torch.inference_mode():
        return torch.cat([network(part) for part in torch.split(images, BATCH[device.type])]).cpu()


def turn_by_turn(
    ours: Callable[[], object], bare: Callable[[], object], images: int, pairs: int = PAIRS
) -> dict[str, Any]:
    """Time both in turn; images a second of each, and the ratio ours / bare within each pair."""
    seconds = [(_seconds(ours), _seconds(bare)) for _ in range(pairs + 1)][1:]
    return compared([(images / a, images / b) for a, b in seconds])


def compared(rates: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Summarise pairs of rates (ours, bare): medians, and the ratio with its range."""
    ours, bare = zip(*rates, strict=True)
    ratio = spread([a / b for a, b in rates])
    return {"ours": spread(ours), "bare": spread(bare), "ratio": ratio}


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def training_rates(case: Case) -> dict[str, Any]:
    """Compare the training loops."""
    examples = random_examples(case.n, case.recipe, np.random.default_rng(0))
    ours, bare = (networks.build(case.recipe, torch.Generator()) for _ in range(2))
    rng, training = torch.Generator().manual_seed(0), case.training
    found = turn_by_turn(
        lambda: train(ours, examples, training, rng),
        lambda: bare_training(bare, examples, training),
        case.n * training.epochs,
    )
    bf16 = uses_bf16(training.precision, pick_device())
    described = {"network": case.name, "augmentation": training.augmentation, "images": case.n}
    return {**described, "precision": "bf16" if bf16 else "fp32", **found}


def inference_rates(case: Case) -> dict[str, Any]:
    """Compare the inference passes."""
    examples = random_examples(case.n, case.recipe, np.random.default_rng(0))
    network = networks.build(case.recipe, torch.Generator())
    found = turn_by_turn(
        lambda: logits_of(network, examples), lambda: bare_inference(network, examples), case.n
    )
    return {"network": case.name, "images": case.n, "precision": "fp32", **found}


def random_trial(n: int, shadows: int, rng: np.random.Generator, classes: int = 10) -> Trial:
    """Draw outputs: half of n to forget, half held out, people of 5; n / 2 more are test."""
    sizes = {Group.FORGET: n // 2, Group.RETAIN: n // 10, Group.HOLDOUT: n // 2, Group.TEST: n // 2}
    groups = np.concatenate([np.full(size, group) for group, size in sizes.items()])
    labels = rng.integers(0, classes, len(groups))
    subjects = np.arange(len(groups)) // 5

    def answers(*leading: int) -> np.ndarray:
        noise = rng.normal(scale=2.0, size=(*leading, len(groups), classes))
        return np.asarray(noise + 4 * np.eye(classes)[labels], dtype=np.float32)

    held = np.isin(groups, (Group.FORGET, Group.HOLDOUT))
    seen = draw_halves(subjects[held].astype(np.str_), shadows, rng)
    return Trial(
        candidate=Outputs(answers(), labels, groups, subjects),
        champion=Outputs(answers(), labels, groups, subjects),
        shadows=ShadowOutputs(answers(shadows)[:, held], seen),
        shadow_accuracy=rng.uniform(0.7, 0.8, shadows),
        shadow_size=n / 2,
        train_size=n,
        gone=np.array([], dtype=np.int64),
    )


def measuring_seconds(n: int, shadows: int) -> dict[str, Any]:
    """Time what measuring one candidate takes, null band and positive control included."""
    trial = random_trial(n, shadows, np.random.default_rng(0))
    seconds = [_seconds(lambda: measure(trial, ATTACK)) for _ in range(3)]
    return {"examples": n, "shadows": shadows, "seconds": spread(seconds)}


def everything() -> dict[str, Any]:
    """Measure all of it."""
    return {
        "training": [training_rates(case) for case in cases()],
        "inference": [inference_rates(case) for case in cases()[:2]],
        "measuring": [measuring_seconds(n, shadows) for n, shadows in GRID],
    }
