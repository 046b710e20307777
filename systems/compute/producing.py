"""The work that needs a GPU, or a patient CPU: train and unlearn.

What goes in and out is files, digests and numbers; networks and examples stay in this process.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from systems.compute.attempting import Losses, attempted, fresh
from systems.compute.away import Send, trained, unlearned
from systems.compute.team import Work, together, without_names_of
from unlearning import networks
from unlearning.contracts import Method
from unlearning.domain import ByteArray, Examples, Split
from unlearning.errors import UsageError
from unlearning.heads.backbones import on_backbone
from unlearning.heads.fitting import fitted
from unlearning.memory import Room
from unlearning.methods import METHODS
from unlearning.networks import Classifier, Recipe
from unlearning.outputs import accuracy, logits_of
from unlearning.stored import Lazy
from unlearning.training.loop import Progress, Training, silent


@dataclass(frozen=True)
class Produced:
    """A network that was made: its file's digest, the seconds that it took, its loss by epoch.

    parts: into how many its batches were cut, since memory did not do for them whole. profile: of
    the machine, where the method is exact.
    """

    sha256: str
    seconds: float
    losses: tuple[float, ...]
    report: Mapping[str, float]
    parts: int = 1
    profile: Mapping[str, Any] | None = None


def recipe_for(
    network: str,
    classes: int,
    examples: Examples,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Recipe:
    """Describe a network for these examples; mean and deviation are theirs unless given."""
    means, deviations = _moments(examples.images)
    return Recipe(
        network=network,
        classes=classes,
        channels=examples.images.shape[1],
        size=examples.images.shape[2],
        mean=tuple(mean or (round(m, 4) for m in means)),
        std=tuple(std or (round(max(s, 1e-3), 4) for s in deviations)),
    )


_BLOCK = 1000
"""Pictures that are looked at at once."""


def _moments(images: ByteArray | Lazy) -> tuple[list[float], list[float]]:
    """Mean and deviation of each channel, in units of pixel value / 255, without copying it all."""
    counts = np.zeros((images.shape[1], 256), np.int64)
    for start in range(0, len(images), _BLOCK):
        block = images[start : start + _BLOCK]
        for channel in range(images.shape[1]):
            counts[channel] += np.bincount(block[:, channel].ravel(), minlength=256)
    values, shares = np.arange(256) / 255, counts / counts.sum(1, keepdims=True)
    means = shares @ values
    squares = [share @ (values - mean) ** 2 for share, mean in zip(shares, means, strict=True)]
    return means.tolist(), np.sqrt(squares).tolist()


def train_network(
    examples: Examples,
    recipe: Recipe,
    training: Training,
    seed: int,
    target: Path,
    progress: Progress = silent,
    backbone: Path | None = None,
    away: Send | None = None,
) -> Produced:
    """Train a fresh network and write it to `target`; backbone: of a recipe with a head.

    away: has a worker elsewhere do it; a head is fitted here.
    """
    losses, started = Losses(progress), time.perf_counter()
    if backbone is not None:
        headed, certificate = fitted(on_backbone(backbone, recipe), examples)
        seconds = time.perf_counter() - started
        sha256 = networks.save(headed, target)
        return Produced(sha256, seconds, (), dataclasses.asdict(certificate))
    if away is not None:
        made = trained(away, recipe, training, examples, seed, losses)
    else:
        made = fresh(recipe, training, examples, seed, losses)
    sha256 = networks.save(made.candidate, target)
    return Produced(sha256, made.seconds, losses.values, {}, made.parts)


def brought(weights: Path, recipe: Recipe, *, given: bool) -> Classifier:
    """Read a network from elsewhere; UsageError unless it can be the original of this data.

    recipe: of the data, with the mean and deviation that were `given`, if they were.
    """
    network = networks.load(weights, recipe)
    got = (network.recipe.mean, network.recipe.std)
    if given and got != (recipe.mean, recipe.std):
        raise UsageError(
            f"weights {weights.name}: carries the mean {got[0]} and deviation {got[1]}, and others "
            "were given, expected one of the two: leave --mean and --std out"
        )
    for name, values in network.named_parameters():
        if not torch.isfinite(values).all():
            raise UsageError(
                f"weights {weights.name}: tensor {name.removeprefix('body.')} holds values that "
                "are no finite numbers, expected a network that works: fetch another"
            )
    networks.require_fit(network.recipe)
    return network


def test_accuracy(weights: Path, test: Examples) -> float:
    """Give a network's accuracy on the test set."""
    return accuracy(logits_of(networks.load(weights), test), test.labels)


def make_method(name: str, settings: Mapping[str, Any], training: Training) -> Method:
    """Build a method of the ladder.

    One that trains from scratch gets the workspace's training; any other the bound that its layers
    are held to, unless the settings say so themselves.
    """
    fields = {field.name for field in dataclasses.fields(METHODS[name])}  # type: ignore[arg-type]
    known = {"training": training, "lipschitz": training.lipschitz}
    own = {key: value for key, value in known.items() if key in fields}
    return METHODS.create(name, {**own, **settings})


def unlearn(
    original: Path,
    split: Split,
    method: Method,
    seed: int,
    target: Path,
    progress: Progress = silent,
    ancestors: Sequence[Path] = (),
    processes: int = 1,
    away: Send | None = None,
) -> Produced:
    """Run a method on the original and write the candidate to `target`.

    ancestors: stored networks that never saw what is forgotten, for a method that needs bases.
    Raises AttemptFailed if the method did, for whatever reason of its own. Where memory does not do
    for its batches it begins again, with the same seed, and has them cut. processes: that do it
    together, each with its share of every batch. away: has a worker elsewhere do it.
    """
    network, losses = networks.load(original), Losses(progress)
    handed = split.handed(tuple(map(networks.load, ancestors)))

    def several(found: Room) -> Classifier:
        work = Work(original, without_names_of(handed), method, seed, found.parts)
        return networks.load(together(work, target, processes, losses))

    if away is not None:
        made = unlearned(away, method, network, handed, seed, losses)
    else:
        instead = several if processes > 1 else None
        made = attempted(method, network, handed, seed, losses, instead, processes)
    sha256 = networks.save(made.candidate, target)
    told = (made.seconds, losses.values, made.report, made.parts, made.profile)
    return Produced(sha256, *told)
