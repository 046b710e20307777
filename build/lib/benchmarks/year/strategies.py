"""Ways of answering requests: what a year's runs cost by each, in retrainings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.lineage import economics, schemes
from benchmarks.year.measured import Measured
from systems.settings.budget import Budget
from unlearning.domain import IntArray
from unlearning.statistics.intervals import clopper_pearson

WARM_SHARDS, SISA_SHARDS = 4, 5
WARM = 0.3
"""Of a retraining: what `warm_retrain` takes unless it is told otherwise."""

Runs = Sequence[IntArray]


@dataclass(frozen=True)
class Spent:
    """What a year's runs cost, in retrainings, and how many people were released approximately."""

    candidates: float
    upkeep: float = 0.0
    approximate: int = 0


@dataclass(frozen=True)
class Strategy:
    """A name, and what it spends on runs, each the people who are served together."""

    name: str
    spend: Callable[[Runs, np.random.Generator], Spent]


def all_of(found: Measured) -> list[Strategy]:
    """Give the strategies that are compared.

    What was released in so few cases is shown at both ends: as measured, and at the upper end of
    its 95 % interval.
    """
    most = clopper_pearson(found.released, found.tried).high
    seen = f"{found.released} of {found.tried}"
    cost = found.approximate
    return [
        Strategy("retrain", lambda runs, _: Spent(float(len(runs)))),
        Strategy(f"warm, {WARM_SHARDS} bases: all released", warm(1.0)),
        Strategy(f"warm, {WARM_SHARDS} bases: none released", warm(0.0)),
        Strategy("head, downdated", head(found.downdating / found.retraining)),
        Strategy(f"SISA, {SISA_SHARDS} shards", sisa),
        Strategy(
            f"approximate first: released as measured, {seen}",
            approximate_first(cost, found.released / found.tried),
        ),
        Strategy(
            f"approximate first: released {most:.0%}, the most that {seen} allow",
            approximate_first(cost, most),
        ),
    ]


def head(cost: float) -> Callable[[Runs, np.random.Generator], Spent]:
    """Take people out of a head on a frozen backbone; measured alike for 1 to 100 of them."""
    return lambda runs, _: Spent(cost * len(runs))


def sisa(runs: Runs, _: np.random.Generator) -> Spent:
    """Train the shards anew that the people of a run are in; there is no other candidate."""
    scheme = schemes.shards(economics.PEOPLE, SISA_SHARDS)
    hit = (np.asarray(scheme.seen[:, people].any(1)) for people in runs)
    return Spent(float(sum(scheme.again(lost, scheme.seen) for lost in hit)))


def warm(chance: float) -> Callable[[Runs, np.random.Generator], Spent]:
    """Begin from clean bases where there are enough, and retrain where that is not released."""

    def spend(runs: Runs, rng: np.random.Generator) -> Spent:
        scheme = schemes.shards(economics.PEOPLE, WARM_SHARDS)
        found = economics.serve(scheme, runs, WARM)
        failed = rng.binomial(found.clean, 1 - chance)
        return Spent(found.candidates + failed, found.bases)

    return spend


def approximate_first(cost: float, chance: float) -> Callable[[Runs, np.random.Generator], Spent]:
    """Try an approximate method, and retrain where it is not released, or the drift budget ends.

    The budget is the policy's default: so many approximate releases, then an exact training.
    """

    def spend(runs: Runs, rng: np.random.Generator) -> Spent:
        spent, people, since = 0.0, 0, 0
        for run, released in zip(runs, rng.random(len(runs)) < chance, strict=True):
            if since == Budget().releases:
                spent, since = spent + 1, 0
            elif released:
                spent, people, since = spent + cost, people + len(run), since + 1
            else:
                spent, since = spent + cost + 1, 0
        return Spent(spent, 0.0, people)

    return spend
