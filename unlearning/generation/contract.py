"""What a method that makes a generator forget a class must be, and what it gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, runtime_checkable

import torch

from unlearning.domain import TrainingSets
from unlearning.errors import UsageError
from unlearning.generation.generators import Generator
from unlearning.training.loop import Progress


@dataclass(frozen=True, eq=False)
class Forgotten:
    """What a method made.

    network: the weights to sample, as the method's `sampled` says. raw, average: the last weights,
    and their moving average. notes: what was seen on the way, by name.
    """

    network: Generator
    raw: Generator
    average: Generator
    notes: Mapping[str, float] = field(default_factory=dict)


@runtime_checkable
class Forgetter(Protocol):
    """Something that makes a generator forget the class of the examples to forget.

    needs: which of {"forget", "retain"} it reads. exact: whether its result is distributed as the
    retrained model; such a one serves any forget set, others one class that goes whole.
    """

    name: ClassVar[str]
    paper: ClassVar[str]
    needs: ClassVar[frozenset[str]]
    exact: ClassVar[bool]

    def forget(
        self, original: Generator, sets: TrainingSets, rng: torch.Generator, progress: Progress
    ) -> Forgotten:
        """Give a generator that is to have forgotten; the original stays as it is."""

    def passes(self, forget: int, retain: int) -> int:
        """Count the pictures passed forward and backward, for sets of these sizes.

        What a method reads or searches before it tunes is not counted.
        """


def forgotten_class(sets: TrainingSets) -> int:
    """Give the one class that is forgotten whole; UsageError where there is none, or several."""
    found = {int(label) for label in sets.forget.labels}
    kept = {int(label) for label in sets.retain.labels}
    if len(found) != 1 or found & kept:
        raise UsageError(
            f"generator: got {len(found)} classes to forget, {len(found & kept)} of them with "
            "examples that stay; expected one class of which no example stays"
        )
    return found.pop()
