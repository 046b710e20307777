"""The work that needs a GPU, or a patient CPU: train, build the bank, unlearn, measure and judge.

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

from unlearning import networks
from unlearning.attacks.lira import LiraOffline
from unlearning.audits.deployed import as_deployed
from unlearning.contracts import Gate, Method
from unlearning.domain import (
    Control,
    Decision,
    Examples,
    FloatArray,
    Group,
    Measurement,
    Outputs,
    Split,
    Verdict,
)
from unlearning.effects import Effect, effect
from unlearning.gates.deployed import forms_of, marked
from unlearning.judging import controls_of, decide, judge
from unlearning.measuring import (
    Trial,
    accuracies,
    comparable_shadows,
    judged_part,
    measure,
    score,
)
from unlearning.methods import METHODS
from unlearning.networks import Classifier, Recipe
from unlearning.outputs import accuracy, logits_of, outputs_of
from unlearning.shadows import Bank
from unlearning.training import Progress, Training, silent, train

RETAIN_SAMPLE = 2000
"""Retain examples that are run through a candidate; they inform and decide nothing."""


@dataclass(frozen=True)
class Produced:
    """A network that was made: its file's digest, the seconds that it took, its loss by epoch."""

    sha256: str
    seconds: float
    losses: tuple[float, ...]
    report: Mapping[str, float]


def recipe_for(
    network: str,
    classes: int,
    examples: Examples,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Recipe:
    """Describe a network for these examples; mean and deviation are theirs unless given."""
    pixels = examples.images.astype(np.float64) / 255
    axes = (0, 2, 3)
    return Recipe(
        network=network,
        classes=classes,
        channels=examples.images.shape[1],
        size=examples.images.shape[2],
        mean=tuple(mean or (round(float(m), 4) for m in pixels.mean(axes))),
        std=tuple(std or (round(max(float(s), 1e-3), 4) for s in pixels.std(axes))),
    )


def generator(seed: int) -> torch.Generator:
    """Give a seeded generator."""
    return torch.Generator().manual_seed(seed)


def train_network(
    examples: Examples,
    recipe: Recipe,
    training: Training,
    seed: int,
    target: Path,
    progress: Progress = silent,
) -> Produced:
    """Train a fresh network and write it to `target`."""
    rng, losses = generator(seed), _Losses(progress)
    started = time.perf_counter()
    network = networks.build(recipe, rng)
    train(network, examples, training, rng, losses)
    seconds = time.perf_counter() - started
    return Produced(networks.save(network, target), seconds, tuple(losses.values), {})


class _Losses:
    """Keeps the loss of each epoch on its way to the progress bar."""

    def __init__(self, then: Progress) -> None:
        self.values: list[float] = []
        self._then = then

    def __call__(self, done: int, total: int, loss: float) -> None:
        self.values.append(loss)
        self._then(done, total, loss)


def test_accuracy(weights: Path, test: Examples) -> float:
    """Give a network's accuracy on the test set."""
    return accuracy(logits_of(networks.load(weights), test), test.labels)


def make_method(name: str, settings: Mapping[str, Any], training: Training) -> Method:
    """Build a method of the ladder; one that trains from scratch gets the workspace's training."""
    fields = {field.name for field in dataclasses.fields(METHODS[name])}  # type: ignore[arg-type]
    own = {"training": training} if "training" in fields and "training" not in settings else {}
    return METHODS.create(name, {**settings, **own})


def unlearn(
    original: Path,
    split: Split,
    method: Method,
    seed: int,
    target: Path,
    progress: Progress = silent,
) -> Produced:
    """Run a method on the original and write the candidate to `target`."""
    network, losses = networks.load(original), _Losses(progress)
    started = time.perf_counter()
    candidate = method.unlearn(network, split, generator(seed), losses)
    seconds = time.perf_counter() - started
    if not isinstance(candidate, Classifier):
        raise TypeError(f"method {method.name} gave {type(candidate).__name__}, not a Classifier")
    report = method.report(network, candidate, split)
    return Produced(networks.save(candidate, target), seconds, tuple(losses.values), report)


@dataclass(frozen=True)
class Judged:
    """What measuring and judging a candidate gave; `effect` beside the champion decides nothing."""

    measured: Mapping[str, Measurement]
    verdicts: tuple[Verdict, ...]
    controls: tuple[Control, ...]
    decision: Decision
    accuracy: Mapping[str, float]
    effect: Effect


@dataclass(frozen=True, eq=False)
class Pictures:
    """Arrays for the report: attack scores, and accuracy by class before and after."""

    forget: FloatArray
    holdout: FloatArray
    champion_forget: FloatArray
    class_before: FloatArray
    class_after: FloatArray


def with_retain_sample(split: Split) -> Split:
    """Keep some retain examples, one of every class at least: a missing class means erased."""
    n = len(split.retain)
    if n <= RETAIN_SAMPLE:
        return split
    _, first = np.unique(split.retain.labels, return_index=True)
    drawn = np.random.default_rng(0).permutation(n)[:RETAIN_SAMPLE]
    return dataclasses.replace(split, retain=split.retain.take(np.union1d(first, drawn)))


def judge_candidate(
    candidate: Path,
    champion: Path,
    split: Split,
    bank: Bank,
    gates: Sequence[Gate],
    *,
    exact: bool,
) -> tuple[Judged, Pictures]:
    """Measure a candidate, and the forms that gates ask for, beside the untouched champion."""
    sampled = with_retain_sample(split)
    network = networks.load(candidate, networks.load(champion).recipe)
    trial = Trial(
        candidate=outputs_of(network, sampled),
        champion=outputs_of(networks.load(champion), sampled),
        shadows=bank.on(np.concatenate([split.forget.ids, split.holdout.ids])),
        shadow_accuracy=bank.test_accuracy,
        shadow_size=float(bank.trained_on.mean()),
        train_size=len(split.forget) + len(split.retain),
    )
    measured = measure(trial, LiraOffline())
    for form in forms_of(gates):
        exported = outputs_of(as_deployed(network, form), sampled)
        in_form = measure(dataclasses.replace(trial, candidate=exported), LiraOffline())
        measured |= marked(in_form, form)
    verdicts = judge(measured, gates)
    judged = Judged(
        measured,
        verdicts,
        controls_of(measured, gates),
        decide(verdicts, exact=exact),
        {group.name.lower(): value for group, value in accuracies(trial.candidate).items()},
        effect(trial.champion, trial.candidate),
    )
    return judged, _pictures(trial, split.classes)


def _pictures(trial: Trial, classes: int) -> Pictures:
    shadows = comparable_shadows(trial)
    after = score(judged_part(trial.candidate), shadows, LiraOffline())
    before = score(judged_part(trial.champion), shadows, LiraOffline())
    return Pictures(
        after.forget,
        after.holdout,
        before.forget,
        _by_class(trial.champion, classes),
        _by_class(trial.candidate, classes),
    )


def _by_class(outputs: Outputs, classes: int) -> FloatArray:
    tested = outputs.of(Group.TEST)
    right = (outputs.logits.argmax(1) == outputs.labels)[tested]
    labels = outputs.labels[tested]
    with np.errstate(invalid="ignore"):
        hits = np.bincount(labels, weights=right, minlength=classes)
        return np.asarray(hits / np.bincount(labels, minlength=classes))
