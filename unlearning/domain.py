"""The values that travel through Lethe; DESIGN's terms, one class each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from unlearning.stored import Lazy, one_after_another, picked
from unlearning.terms import HOLDOUT as HOLDOUT
from unlearning.terms import SPLITS as SPLITS
from unlearning.terms import TEST as TEST
from unlearning.terms import TRAIN as TRAIN
from unlearning.terms import Control as Control
from unlearning.terms import Decision as Decision
from unlearning.terms import Measurement as Measurement
from unlearning.terms import Outcome as Outcome
from unlearning.terms import Verdict as Verdict

if TYPE_CHECKING:  # values are read without torch
    from torch import nn

FloatArray = NDArray[np.floating]
IntArray = NDArray[np.integer]
BoolArray = NDArray[np.bool_]
ByteArray = NDArray[np.uint8]
TextArray = NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class Examples:
    """Examples, decoded.

    images: (n, channels, height, width) uint8, an array or pictures that stay on disk and answer
    like one. labels: (n,) int64 class indices.
    ids, subjects: (n,) strings; every example belongs to exactly one subject.
    """

    images: ByteArray | Lazy
    labels: IntArray
    ids: TextArray
    subjects: TextArray

    def __len__(self) -> int:
        """Count the examples."""
        return len(self.labels)

    def take(self, where: IntArray | BoolArray) -> Examples:
        """Select examples by index or by mask, in that order."""
        images = picked(self.images, where)
        return Examples(images, self.labels[where], self.ids[where], self.subjects[where])


def joined(first: Examples, *others: Examples) -> Examples:
    """Give several sets of examples as one, in order."""
    parts = (first, *others)
    return Examples(
        one_after_another([part.images for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.ids for part in parts]),
        np.concatenate([part.subjects for part in parts]),
    )


class TrainingSets(Protocol):
    """What a method may see: the training examples that it is to forget and those that it keeps."""

    @property
    def forget(self) -> Examples:
        """Give the examples to forget."""

    @property
    def retain(self) -> Examples:
        """Give the examples that stay."""

    @property
    def classes(self) -> int:
        """Count the classes, also those that no example is left of."""


@dataclass(frozen=True, eq=False)
class Handed:
    """What a method is handed: training sets, and no example that it will be judged on.

    bases: stored networks that never saw an example to forget, for methods that need them.
    """

    forget: Examples
    retain: Examples
    classes: int
    bases: tuple[nn.Module, ...] = ()


def going(gone: IntArray, stays: IntArray) -> IntArray:
    """Give the classes that go: of which less than half as large a share stays as of all others.

    gone, stays: (classes,), how many examples of each are forgotten and retained. Not only
    where all goes: of a class of which a few stay, or are labelled so wrongly, who never saw the
    others knows hardly more. And not by a count: where most of all data goes, no class does.
    """
    whole, rest = gone + stays, stays.sum() - stays
    goes = (gone > 0) & (2 * stays * (whole.sum() - whole) < rest * whole)
    return np.flatnonzero(goes)


@dataclass(frozen=True, eq=False)
class Split:
    """What a method may see: forget and retain; and what judges it: holdout and test.

    stays: (classes,), how many retained examples each class has, where `retain` is a sample.
    """

    forget: Examples
    retain: Examples
    holdout: Examples
    test: Examples
    classes: int
    stays: IntArray | None = None

    @property
    def counts(self) -> tuple[IntArray, IntArray]:
        """How many examples of each class go, and stay, (classes,) each."""
        gone, kept = (
            np.bincount(part.labels, minlength=self.classes) for part in (self.forget, self.retain)
        )
        return gone, kept if self.stays is None else self.stays

    @property
    def forgotten_classes(self) -> IntArray:
        """The classes that go, as `going` says."""
        return going(*self.counts)

    def handed(self, bases: tuple[nn.Module, ...] = ()) -> Handed:
        """Give what a method may see."""
        return Handed(self.forget, self.retain, self.classes, bases)


class Group(IntEnum):
    """Where an example of `Outputs` comes from."""

    FORGET = 0
    RETAIN = 1
    HOLDOUT = 2
    TEST = 3


@dataclass(frozen=True, eq=False)
class Outputs:
    """One network's answers.

    logits: (n, classes) float32. labels, groups, subjects: (n,) integers; subjects are codes
    that say which examples belong together, not identities.
    """

    logits: FloatArray
    labels: IntArray
    groups: IntArray
    subjects: IntArray

    def of(self, group: Group) -> BoolArray:
        """Mask of the examples of one group, (n,)."""
        return np.asarray(self.groups == group)

    def take(self, where: IntArray | BoolArray) -> Outputs:
        """Select examples by index or by mask, in that order."""
        return Outputs(
            self.logits[where], self.labels[where], self.groups[where], self.subjects[where]
        )


@dataclass(frozen=True, eq=False)
class ShadowOutputs:
    """The shadow bank's answers on the examples of an `Outputs`, in the same order.

    logits: (shadows, n, classes) float32. seen: (shadows, n), True where that shadow counts as
    having seen the example: trained on it, or, for holdout examples that no shadow trains on,
    drawn by the same rule, so that every example is calibrated by equally many shadows.
    """

    logits: FloatArray
    seen: BoolArray

    def __len__(self) -> int:
        """Count the shadows."""
        return len(self.logits)

    def of(self, models: IntArray | BoolArray | slice) -> ShadowOutputs:
        """Give some of the shadows, on all examples."""
        return ShadowOutputs(self.logits[models], self.seen[models])

    def on(self, where: IntArray | BoolArray) -> ShadowOutputs:
        """Give all shadows, on some of the examples."""
        return ShadowOutputs(self.logits[:, where], self.seen[:, where])
