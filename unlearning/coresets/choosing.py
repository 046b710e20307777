"""Parts of a forget set that may stand for all of it: found by effects, by distance, or by lot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.spatial.distance import cdist

from unlearning.domain import BoolArray, FloatArray

RIDGE = 1.0
"""Weight of the squared coefficients, in units of a trial's variance of membership."""


def size_of(examples: int, share: float) -> int:
    """Count the examples of a core-set that is at most `share` of the forget set, at least one."""
    return max(1, int(share * examples))


def random_parts(examples: int, size: int, count: int, rng: np.random.Generator) -> BoolArray:
    """Draw `count` parts of `size` examples, (count, examples).

    Each by itself: a part's complement would tell what the part has told.
    """
    parts = np.zeros((count, examples), dtype=bool)
    for row in parts:
        row[rng.permutation(examples)[:size]] = True
    return parts


def influences(members: BoolArray, effects: FloatArray) -> FloatArray:
    """Give each example's share in the effect of unlearning a part, (examples,).

    members: (trials, examples), what was unlearned in each trial; effects: (trials,). By ridge
    regression of effects on membership, since there are more examples than trials.
    """
    centred = members - members.mean(0)
    kernel = centred @ centred.T
    held = RIDGE * np.trace(kernel) / len(members) * np.eye(len(members))
    return np.asarray(centred.T @ np.linalg.solve(kernel + held, effects - effects.mean()))


def strongest(influence: FloatArray, size: int) -> BoolArray:
    """Take the `size` examples of the largest influence, (examples,)."""
    part = np.zeros(len(influence), dtype=bool)
    part[np.argsort(-influence, kind="stable")[:size]] = True
    return part


@dataclass(frozen=True, kw_only=True)
class CoreSet:
    """Take the examples that took most knowledge with them when random halves were unlearned.

    A question that its source leaves open: the search is this project's, and found none. Whether a
    part may be unlearned in place of the whole is for `deciding`, which refuses what people name.

    share: of the forget set, at most.
    """

    name: ClassVar[str] = "core_set"
    paper: ClassVar[str] = "Task A of Ebrahimpour-Boroojeny's thesis, arXiv 2512.06993"
    runs: ClassVar[str] = "benchmark coreset"

    share: float = 0.1

    def chosen(self, members: BoolArray, effects: FloatArray) -> BoolArray:
        """Choose by the trials of `influences`, (examples,)."""
        size = size_of(members.shape[1], self.share)
        return strongest(influences(members, effects), size)


def spread_out(features: FloatArray, size: int) -> BoolArray:
    """Take `size` examples that no other is far from: greedy k-centre, from the most central one.

    features: (examples, d).
    """
    distances = cdist(features, features)
    chosen = [int(distances.sum(1).argmin())]
    while len(chosen) < size:
        chosen.append(int(distances[:, chosen].min(1).argmax()))
    part = np.zeros(len(features), dtype=bool)
    part[chosen] = True
    return part
