"""Sufficient statistics of a ridge head: sums of whole numbers, which can be undone exactly."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unlearning.domain import Examples, FloatArray, IntArray
from unlearning.heads.features import UNIT

Whole = NDArray[np.int64]
CHUNK = 2**14
"""Examples whose sums float64 holds exactly."""

MODULUS = 2**256


@dataclass(frozen=True, eq=False)
class Statistics:
    """Sums over examples, and which examples these are.

    gram: (d + 1, d + 1), sum of x x', in units of UNIT^-2. moments: (d + 1, classes), sum of x y',
    in units of UNIT^-1. covered: sum modulo 2^256 of the SHA-256 of each image and label: by it
    sums are held against the examples that they should be of. since: examples taken out since all
    were counted anew.
    """

    gram: Whole
    moments: Whole
    covered: int
    since: int = 0

    @property
    def count(self) -> int:
        """Examples in the sums."""
        return int(self.gram[-1, -1]) // UNIT**2

    def without(self, gone: Statistics) -> Statistics:
        """Take examples out; what is left is, to the last bit, what was never added to."""
        return Statistics(
            self.gram - gone.gram,
            self.moments - gone.moments,
            (self.covered - gone.covered) % MODULUS,
            self.since + gone.count,
        )

    def same_sums(self, other: Statistics) -> bool:
        """Whether these are the same sums over the same examples."""
        equal = np.array_equal(self.gram, other.gram) and np.array_equal(
            self.moments, other.moments
        )
        return equal and self.covered == other.covered

    def as_tensors(self) -> dict[str, Tensor]:
        """Give them as a file of weights holds them."""
        covered = np.frombuffer(self.covered.to_bytes(32, "big"), dtype=np.uint8).copy()
        return {
            "gram": torch.from_numpy(self.gram),
            "moments": torch.from_numpy(self.moments),
            "covered": torch.from_numpy(covered),
            "since": torch.tensor(self.since),
        }

    @staticmethod
    def from_tensors(tensors: dict[str, Tensor]) -> Statistics:
        """Read what `as_tensors` gives."""
        covered = int.from_bytes(tensors["covered"].numpy().tobytes(), "big")
        gram, moments = tensors["gram"].numpy(), tensors["moments"].numpy()
        return Statistics(gram, moments, covered, int(tensors["since"]))


def statistics_of(features: FloatArray, examples: Examples, classes: int) -> Statistics:
    """Sum over examples; features: (n, d + 1) of `whole_features`."""
    return replace(sums_of(features, examples.labels, classes), covered=covered_by(examples))


def sums_of(features: FloatArray, labels: IntArray, classes: int) -> Statistics:
    """Sum over features that need not be told apart later: nothing says whose they are."""
    width = features.shape[1]
    gram, moments = np.zeros((width, width), np.int64), np.zeros((width, classes), np.int64)
    for start in range(0, len(features), CHUNK):
        part = features[start : start + CHUNK]
        one_hot = np.eye(classes)[labels[start : start + CHUNK]]
        gram += (part.T @ part).astype(np.int64)
        moments += (part.T @ one_hot).astype(np.int64)
    return Statistics(gram, moments, 0)


def covered_by(examples: Examples) -> int:
    """Name a set of examples by its content, so that names of disjoint sets add up."""
    total = 0
    for image, label in zip(examples.images, examples.labels, strict=True):
        told = hashlib.sha256(int(label).to_bytes(8, "big") + np.ascontiguousarray(image).tobytes())
        total += int.from_bytes(told.digest(), "big")
    return total % MODULUS
