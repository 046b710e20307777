"""Making generators and the classifier that judges what they draw; files and numbers go in and out.

A method's own failure is told from one of what it stands on.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from systems.compute.attempting import Losses, generator, own_failure
from systems.compute.producing import Produced
from systems.settings.generators import GeneratorParams
from unlearning import networks
from unlearning.domain import Examples, Split
from unlearning.errors import UsageError
from unlearning.generation import FORGETTERS, generators
from unlearning.generation.contract import Forgetter
from unlearning.generation.fitting import Fitting, fitted
from unlearning.generation.judge import judge_of, with_none
from unlearning.generation.recipe import GeneratorRecipe
from unlearning.generation.sampling import Sampler, sampled
from unlearning.outputs import accuracy, logits_of
from unlearning.training.loop import Progress, Training, silent

WIDTH, DEPTH = {"unet": 32, "dit": 128}, {"unet": 1, "dit": 4}
"""Where params.yaml names none."""

SMALLEST = 4
"""Pixels a side to which a U-Net halves pictures, by doubling its width once or more."""


def recipe_of_generator(
    params: GeneratorParams, classes: int, channels: int, size: int
) -> GeneratorRecipe:
    """Describe a generator of such pictures."""
    halved = max(1, (size // SMALLEST).bit_length() - 1)
    return GeneratorRecipe(
        network=params.network,
        classes=classes,
        channels=channels,
        size=size,
        width=params.width or WIDTH[params.network],
        depth=params.depth or DEPTH[params.network],
        levels=(1, *(2,) * halved),
        attention=max(SMALLEST, size // 2),
    )


def require_fit(recipe: GeneratorRecipe) -> None:
    """Raise UsageError unless such a network draws such pictures, tried on two.

    Also a U-Net where the extra `generation`, which brings it, is not installed.
    """
    network = generators.build(recipe, generator(0))
    try:
        sampled(network, torch.tensor([0, 1]), Sampler(steps=1), generator(0))
    except (RuntimeError, ValueError) as problem:
        raise UsageError(
            f"generator {recipe.network}: does not draw pictures of {recipe.size} pixels, expected "
            "a size that can be halved, and a width of whole groups of 8: choose another"
        ) from problem


def fitting_of(params: GeneratorParams) -> Fitting:
    """Say how a generator is trained."""
    names = ("steps", "batch_size", "learning_rate", "label_drop", "ema")
    return Fitting(**{name: getattr(params, name) for name in names})


def sampler_of(params: GeneratorParams) -> Sampler:
    """Say how pictures are drawn."""
    return Sampler(steps=params.sampling_steps, guidance=params.guidance)


def train_generator(
    examples: Examples,
    recipe: GeneratorRecipe,
    fitting: Fitting,
    seed: int,
    target: Path,
    progress: Progress = silent,
) -> Produced:
    """Train a fresh generator and write the average of its weights to `target`."""
    losses, started = Losses(progress), time.perf_counter()
    average, _ = fitted(recipe, examples, fitting, generator(seed), losses)
    seconds = time.perf_counter() - started
    return Produced(generators.save(average, target), seconds, losses.values, {})


def train_judge(
    seen: Examples,
    tested: Examples,
    classes: int,
    training: Training,
    network: str,
    seed: int,
    target: Path,
    progress: Progress = silent,
) -> tuple[Produced, float]:
    """Train a classifier that also knows what is no picture of any class; its accuracy on others.

    seen: pictures that no generator learned from. It answers `classes` for none of them.
    """
    started = time.perf_counter()
    with_others = with_none(seen, classes, seed)
    made = judge_of(with_others, classes + 1, generator(seed), training, network, progress)
    right = accuracy(logits_of(made, tested), tested.labels)
    sha256 = networks.save(made, target)
    return Produced(sha256, time.perf_counter() - started, (), {}), right


def make_method(name: str, settings: Mapping[str, Any], params: GeneratorParams) -> Forgetter:
    """Build a method of a generator's ladder; what trains from scratch trains as the original."""
    fields = {field.name for field in dataclasses.fields(FORGETTERS[name])}  # type: ignore[arg-type]
    own = {"fitting": fitting_of(params)} if "fitting" in fields else {}
    return FORGETTERS.create(name, {**own, **settings})


def forget(
    original: Path,
    split: Split,
    method: Forgetter,
    seed: int,
    target: Path,
    progress: Progress = silent,
) -> Produced:
    """Run a method on the original and write the candidate to `target`.

    Raises AttemptFailed if the method did, for whatever reason of its own.
    """
    losses, started = Losses(progress), time.perf_counter()
    with own_failure(method.name):
        found = method.forget(generators.load(original), split.handed(), generator(seed), losses)
    seconds = time.perf_counter() - started
    sha256 = generators.save(found.network, target)
    return Produced(sha256, seconds, losses.values, dict(found.notes))
