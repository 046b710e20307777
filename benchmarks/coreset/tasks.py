"""What is to be forgotten of digits, what unlearning a part of it takes, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchmarks.coreset.knowledge import Knowledge, of_class, of_examples, part_of, rng_of
from benchmarks.rungs.study import Ground
from unlearning import networks
from unlearning.coresets import choosing, deciding
from unlearning.coresets.deciding import Effects
from unlearning.domain import BoolArray, FloatArray, Split
from unlearning.errors import UsageError
from unlearning.methods.random_label import RandomLabel
from unlearning.networks import Classifier
from unlearning.training.loop import silent

METHOD = RandomLabel(epochs=4, learning_rate=0.02)
"""How a part is unlearned: about 65 steps on digits."""

CORE = choosing.CoreSet(share=deciding.SHARE)
TRIALS, SEEDS = 64, 5
"""Halves, and unlearning seeds of what is compared."""


REFUSED = "REFUSED"
"""Of a forget set that is no whole class: what people name is not shrunk."""


@dataclass(frozen=True, eq=False)
class Task:
    """What is to be forgotten, and how knowledge of it is measured."""

    name: str
    split: Split
    knows: Mapping[str, Knowledge]
    original: Classifier

    def knowledge(self, part: BoolArray, seed: int) -> dict[str, FloatArray]:
        """Give what is lost of each example asked about when a part is unlearned."""
        some = part_of(self.split, part)
        made = METHOD.unlearn(self.original, some.handed(), rng_of(seed), silent)
        assert isinstance(made, Classifier)
        return {name: self.before[name] - of(made) for name, of in self.knows.items()}

    @cached_property
    def before(self) -> dict[str, FloatArray]:
        """What the original knows."""
        return {name: of(self.original) for name, of in self.knows.items()}


def task_of(ground: Ground, name: str) -> Task:
    """Give the forget set of that name: a whole class, or random examples as many."""
    train, original = ground.on.train, networks.load(ground.champion)
    kind, number = name.split()
    if kind == "class":
        split = _split(ground, train.labels == int(number))
        return Task(name, split, of_class(split, int(number)), original)
    rng = np.random.default_rng(4_000 + int(number))
    drawn = rng.permutation(len(train))[: len(train) // 10]
    split = _split(ground, np.isin(np.arange(len(train)), drawn))
    return Task(name, split, of_examples(split, ground.bank), original)


def _split(ground: Ground, forgets: BoolArray) -> Split:
    on = ground.on
    parts = on.train.take(forgets), on.train.take(~forgets)
    return Split(*parts, on.holdout, on.test, on.recipe.classes)


def halved(task: Task, rng: np.random.Generator) -> tuple[BoolArray, dict[str, FloatArray]]:
    """Unlearn random halves: who was in each, and by each measure what it took, (trials,)."""
    n = len(task.split.forget)
    halves = choosing.random_parts(n, n // 2, TRIALS, rng)
    lost = [task.knowledge(half, 500 + trial) for trial, half in enumerate(halves)]
    return halves, {name: np.array([one[name].mean() for one in lost]) for name in task.knows}


def said(task: Task, deep: Mapping[str, Effects], core: int, passes: float) -> tuple[str, str]:
    """Decide, or say why the forget set may not be shrunk, whatever the numbers are."""
    try:
        outcome, reason = deciding.decide(deep, task.split, core=core, passes=passes)
    except UsageError as refusal:
        return REFUSED, str(refusal)
    return str(outcome), reason


Losses = Sequence[Mapping[str, FloatArray]]


def losses(task: Task, part: BoolArray, seeds: int) -> Losses:
    """Give what unlearning a part takes, by measure, for each seed."""
    return [task.knowledge(part, seed) for seed in range(seeds)]
