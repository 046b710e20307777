"""Choosing a method's settings: where to look, and how long a trial may be."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unlearning.contracts import Method
from unlearning.errors import UsageError
from unlearning.training.loop import Training

COST = "cost"
"""What is searched instead of a method's length: a trial's passes as a fraction of retraining's."""

LEAST_COST, MOST_COST = 0.02, 0.25
"""Bounds of the cost of one trial. Beyond a quarter of retraining the exact one is the better."""


@dataclass(frozen=True)
class Real:
    """A number between two others, drawn by its logarithm unless `log` is False."""

    low: float
    high: float
    log: bool = True


@dataclass(frozen=True)
class Whole:
    """A whole number from low to high, both included."""

    low: int
    high: int


@dataclass(frozen=True)
class Choice:
    """One of some values."""

    values: tuple[Any, ...]


Range = Real | Whole | Choice


@dataclass(frozen=True)
class Space:
    """Where a method's settings are looked for.

    length: the setting, a whole number, that makes it longer and dearer, None if it has none.
    longest: where that ends if it is cheap. reads: the parts of the data that these settings read,
    where that is less than the method declares.
    """

    ranges: Mapping[str, Range]
    length: str | None = "epochs"
    longest: int = 30
    reads: tuple[str, ...] = ()

    def searched(self) -> dict[str, Range]:
        """Give what a trial draws: the settings, and the cost in place of the length."""
        cost = {} if self.length is None else {COST: Real(LEAST_COST, MOST_COST, log=False)}
        return {**self.ranges, **cost}


SPACES: Mapping[str, Space] = {
    "amun": Space(
        {
            "learning_rate": Real(1e-4, 0.2),
            "variant": Choice(("amun", "advonly")),
            "decay": Choice((0.1, 0.5, 1.0)),
        }
    ),
    "amun_forget_only": Space(
        {
            "learning_rate": Real(1e-5, 0.1),
            "variant": Choice(("amun", "advonly")),
            "decay": Choice((0.1, 0.5, 1.0)),
        }
    ),
    "bad_teacher": Space({"learning_rate": Real(1e-4, 0.1), "retain_share": Choice((0.3, 1.0))}),
    "boundary_shrink": Space({"learning_rate": Real(1e-6, 0.1), "bound": Real(0.02, 0.5)}),
    "conv_transpose": Space({"learning_rate": Real(1e-4, 0.5), "weight_decay": Real(1e-4, 1e-2)}),
    "famr": Space(
        {"learning_rate": Real(1e-6, 1e-2), "anchor": Real(1e-3, 10.0)}, reads=("forget",)
    ),
    "finetune": Space({"learning_rate": Real(1e-3, 0.5), "weight_decay": Real(1e-4, 1e-2)}),
    "gradient_ascent": Space({"learning_rate": Real(1e-5, 0.1), "clip": Choice((0.0, 0.1, 1.0))}),
    "l1_sparse": Space({"learning_rate": Real(1e-3, 0.2), "penalty": Real(1e-6, 5e-3)}),
    "masked_small_gradients": Space(
        {"learning_rate": Real(1e-4, 0.5), "share": Real(0.1, 0.9, log=False)}
    ),
    "neg_grad_plus": Space(
        {"learning_rate": Real(1e-4, 0.1), "balance": Real(0.7, 0.999, log=False)}
    ),
    "random_label": Space(
        {"learning_rate": Real(1e-4, 0.2), "label_policy": Choice(("fixed", "per_epoch"))}
    ),
    "salun": Space({"learning_rate": Real(1e-4, 0.2), "share": Real(0.1, 0.9, log=False)}),
    "scrub": Space(
        {
            "learning_rate": Real(1e-5, 0.05),
            "ascents": Whole(1, 4),
            "teacher_weight": Real(1e-3, 0.5),
        }
    ),
    "sfr_on": Space(
        {
            "learning_rate": Real(1e-3, 0.2),
            "strength": Real(1.0, 100.0),
            "forget_every": Choice((2, 5, 10)),
        },
        length="steps",
        longest=3000,
    ),
    "trw": Space(
        {
            "learning_rate": Real(1e-4, 0.1),
            "beta": Real(0.0, 20.0, log=False),
            "forget_weight": Real(0.1, 10.0),
        }
    ),
    "shrink_distil": Space({"shrink": Real(0.0, 0.9, log=False), "learning_rate": Real(1e-2, 0.5)}),
    "ssd": Space({"selection": Real(1.0, 10.0), "strength": Real(0.05, 5.0)}, length=None),
}
"""Where each method is searched; settings that are not named stay as published.

Every range holds the published value, and for rates about a factor of ten each way: networks and
numbers of steps differ from those of the papers.
"""
SPACES = {**SPACES, "scrub_rewind": SPACES["scrub"]}


def space_of(name: str) -> Space:
    """Look a method's space up; UsageError if it has nothing to search, as `retrain`."""
    if name not in SPACES:
        raise UsageError(
            f"tune: method {name!r} has no settings to search, expected one of {', '.join(SPACES)}"
        )
    return SPACES[name]


def training_ranges(own: Training) -> dict[str, Range]:
    """Give where a training cheaper than the own one is looked for: rates about its, fewer epochs.

    What stays as it is: schedule, optimiser, precision and bounds.
    """
    return {
        "epochs": Whole(1, own.epochs),
        "batch_size": Choice(tuple(sorted({32, 64, 128, 256, own.batch_size}))),
        "learning_rate": Real(own.learning_rate / 10, own.learning_rate * 10),
        "label_smoothing": Choice(tuple(sorted({0.0, 0.1, 0.2, own.label_smoothing}))),
        "augmentation": Choice(("none", "crop", "crop_flip")),
        "decays": Choice(("all", "weights")),
    }


def published(method: Method, space: Space) -> dict[str, Any]:
    """Give the settings that a method has unless told otherwise, of those that are searched."""
    return {key: getattr(method, key) for key in space.ranges}


def of_length(method: Any, space: Space, *, forget: int, retain: int, most: float) -> Any:
    """Give the method with its length at the greatest that passes at most `most` examples.

    1 if even that passes more; `space.longest` if that passes less.
    """
    if space.length is None:
        return method
    low, high = 1, space.longest
    while low < high:
        middle = (low + high + 1) // 2
        longer = dataclasses.replace(method, **{space.length: middle})
        affordable = longer.passes(forget, retain) <= most
        low, high = (middle, high) if affordable else (low, middle - 1)
    return dataclasses.replace(method, **{space.length: low})
