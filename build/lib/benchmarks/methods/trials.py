"""The trials that unlearning methods are compared on: forget sets, originals, retrained models.

They are of CIFAR-10 (10,000 examples, ResNet-20). A trial is a task and a seed; a task's tuning
trial has another original and a forget set that shares no example with those that are evaluated.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks import samples
from unlearning.domain import BoolArray, Split

TASKS = ("random", "class", "subclass")
SEEDS = 9
"""How many seeds can be evaluated: the tenth original is for tuning."""

TUNING = 1000
"""The seed of a task's tuning trial; those that are evaluated are 0, 1, 2..."""

CLASS = {False: 3, True: 7}
"""Which class is forgotten: cats when evaluating, horses when tuning."""

SUBCLASS = {False: "coupe", True: "pekingese"}


@dataclass(frozen=True)
class TrialName:
    """One trial: what is forgotten, with which seed."""

    task: str
    seed: int

    @property
    def tuning(self) -> bool:
        """Whether settings may be chosen on it; results are never reported from it."""
        return self.seed >= TUNING

    @property
    def original_seed(self) -> int:
        """Which of the originals of benchmarks.samples it starts from; tuning has its own."""
        return 9 - (self.seed - TUNING) if self.tuning else self.seed

    @property
    def other(self) -> tuple[TrialName, int]:
        """Whose retrained model, and which, says how far chance alone takes retraining.

        A class or sub-class is the same forget set with every seed, so another seed's will do.
        """
        if self.task == "random":
            return self, 1
        return TrialName(self.task, self.seed - 1 if self.seed else 1), 0

    def __str__(self) -> str:
        """Name it in file names."""
        return f"{self.task}-{self.seed:04d}"


@cache
def setting() -> samples.Setting:
    """Give CIFAR-10's 10,000 / 5,000 / 5,000 examples, decoded once."""
    return samples.cifar10()


@cache
def _subclasses() -> np.ndarray:
    table = pq.read_table(samples.SHARED / "cifar10/train.parquet", columns=["subclass"])
    order = np.random.default_rng(0).permutation(50_000)
    return np.array(table["subclass"].to_pylist(), dtype=np.str_)[order[:10_000]]


def forgets(trial: TrialName) -> BoolArray:
    """Give the mask of the forget set over the training examples, (10000,)."""
    examples = setting().train
    if trial.task == "class":
        return np.asarray(examples.labels == CLASS[trial.tuning])
    if trial.task == "subclass":
        return np.asarray(_subclasses() == SUBCLASS[trial.tuning])
    tenths = np.array_split(np.random.default_rng(77).permutation(len(examples)), 10)
    mask = np.zeros(len(examples), dtype=bool)
    mask[tenths[trial.original_seed]] = True
    return mask


def split_of(trial: TrialName) -> Split:
    """Give the trial's split."""
    mask, parts = forgets(trial), setting()
    forget, retain = parts.train.take(mask), parts.train.take(~mask)
    return Split(forget, retain, parts.holdout, parts.test, parts.recipe.classes)


def original_path(folder: Path, trial: TrialName) -> Path:
    """Name the original's file."""
    return samples.model_path(folder, "champion", trial.original_seed)


def retrained_path(folder: Path, trial: TrialName, again: int = 0) -> Path:
    """Name a retrained model's file; `again` counts further ones of the same trial."""
    return folder / f"retrained-{trial}-{again}.safetensors"
