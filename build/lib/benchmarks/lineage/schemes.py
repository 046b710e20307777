"""Ways of keeping bases, models from which a request can be served that never saw its people.

A scheme says who is in which base, and what it costs to make lost bases again. Costs are in
retrainings: passes over all the people, as many as training has epochs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from unlearning.domain import BoolArray, FloatArray


@dataclass(frozen=True, eq=False)
class Scheme:
    """Bases and their upkeep.

    seen: (bases, people). again: (lost bases as a mask, seen) -> retrainings that making them again
    takes. at_once: lost bases are made again after each run, otherwise all of them when a run found
    none that would do.
    """

    name: str
    seen: BoolArray
    again: Callable[[BoolArray, BoolArray], float]
    at_once: bool = True


def by_size(lost: BoolArray, seen: BoolArray) -> float:
    """Each base is trained afresh on its own people."""
    return float(seen[lost].mean(1).sum())


def shards(people: int, count: int) -> Scheme:
    """Disjoint shards, one base on each (SISA): a person costs one of them."""
    who = np.arange(people) % count
    return Scheme(f"{count} shards", np.stack([who == k for k in range(count)]), by_size)


def all_but_one(people: int, count: int) -> Scheme:
    """Each base without one shard: a person leaves one of them clean."""
    who = np.arange(people) % count
    return Scheme(f"{count} without one shard", np.stack([who != k for k in range(count)]), by_size)


def halves(people: int, count: int, rng: np.random.Generator, *, at_once: bool) -> Scheme:
    """Complementary random halves, as a shadow bank has them."""
    pairs = []
    for _ in range(count // 2):
        drawn = np.zeros(people, dtype=bool)
        drawn[rng.permutation(people)[: people // 2]] = True
        pairs += [drawn, ~drawn]
    name = f"{count} random halves, made again {'at once' if at_once else 'when none is clean'}"
    return Scheme(name, np.stack(pairs), by_size, at_once)


def chain(people: int, slices: int, last: FloatArray | None = None) -> Scheme:
    """One training in slices with a checkpoint before each; `last`: (people,), the highest last.

    Slice r is trained on all up to it, with as many epochs as make the whole one retraining.
    """
    order = np.arange(people) if last is None else np.argsort(last, kind="stable")
    part = np.empty(people, dtype=int)
    part[order] = np.arange(people) * slices // people
    seen = np.stack([part <= r for r in range(slices)])
    cost = np.arange(1, slices + 1) * 2 / (slices * (slices + 1))
    name = f"{slices} slices" + (", likely leavers last" if last is not None else "")
    return Scheme(name, seen, lambda lost, _: float(cost[lost].sum()))


def sliced_shards(people: int, count: int, slices: int) -> Scheme:
    """Shards, each trained in slices with checkpoints: of the person's shard a part is redone."""
    who, part = np.arange(people) % count, np.arange(people) // count * slices * count // people
    seen = [(who == k) & (part <= r) for k in range(count) for r in range(slices)]
    cost = np.tile(np.arange(1, slices + 1) * 2 / (slices * (slices + 1)) / count, count)
    name = f"{count} shards of {slices} slices"
    return Scheme(name, np.stack(seen), lambda lost, _: float(cost[lost].sum()))
