"""A year of requests against ways of keeping clean bases: arithmetic alone, nothing is trained.

People ask by a Poisson process. A run serves those who waited: from clean bases, if together they
learned from half of the people or more, at `WARM` of a retraining; otherwise by retraining. What
learned from somebody who is erased is lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from benchmarks.lineage import schemes
from benchmarks.lineage.schemes import Scheme
from unlearning.domain import BoolArray, FloatArray, IntArray

PEOPLE, DAYS = 10_000, 365
RATES = (1, 10, 100)
WINDOWS = {"each": 0, "weekly": 7}
WARM = 0.2
ENOUGH = 0.5
LEAVERS, THEIRS = 0.2, 0.8
"""Of the people the share that leaves more readily, and its share of the requests."""


@dataclass(frozen=True)
class Year:
    """What a year cost: counts of runs, and retrainings for candidates and for bases."""

    people: int
    runs: int
    clean: int
    candidates: float
    bases: float


def arrivals(
    rate: float, weight: FloatArray, window: int, rng: np.random.Generator
) -> list[IntArray]:
    """Draw who asks in a year, and who is served together: windows of so many days, 0 for alone.

    rate: people a month. weight: (people,), how readily each asks.
    """
    who, days = asked(rate, weight, rng)
    if not window:
        return [who[i : i + 1] for i in range(len(who))]
    turns = days // window
    return [who[turns == turn] for turn in np.unique(turns)]


def asked(rate: float, weight: FloatArray, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Draw who asks in a year, and on which day, each (n,); nobody asks twice."""
    count = min(int(rng.poisson(rate * 12)), len(weight))
    who = rng.choice(len(weight), count, replace=False, p=weight / weight.sum())
    return who, rng.integers(DAYS, size=count)


def serve(scheme: Scheme | None, runs: Sequence[IntArray], warm: float = WARM) -> Year:
    """Serve runs one after another; None: nothing is kept, each run retrains.

    warm: what a run from clean bases costs, of a retraining.
    """
    if scheme is None:
        return Year(sum(map(len, runs)), len(runs), 0, float(len(runs)), 0.0)
    there = np.ones(len(scheme.seen), dtype=bool)
    clean, bases = 0, 0.0
    for people in runs:
        fit = there & ~scheme.seen[:, people].any(1)
        enough = _covers(scheme.seen[fit])
        clean += enough
        there = fit
        if scheme.at_once or not enough:
            bases += scheme.again(~there, scheme.seen)
            there = np.ones(len(there), dtype=bool)
    candidates = clean * warm + (len(runs) - clean)
    return Year(sum(map(len, runs)), len(runs), clean, candidates, bases)


def _covers(seen: BoolArray) -> bool:
    return bool(len(seen)) and bool(seen.any(0).mean() >= ENOUGH)


def kept(rng: np.random.Generator, likely: FloatArray) -> list[Scheme]:
    """Give the schemes that are compared."""
    return [
        schemes.halves(PEOPLE, 32, rng, at_once=True),
        schemes.halves(PEOPLE, 32, rng, at_once=False),
        schemes.all_but_one(PEOPLE, 8),
        *(schemes.shards(PEOPLE, count) for count in (2, 4, 8, 16)),
        schemes.sliced_shards(PEOPLE, 4, 4),
        schemes.chain(PEOPLE, 8),
        schemes.chain(PEOPLE, 8, likely),
    ]


def rows(years: int, seed: int) -> Iterator[dict[str, object]]:
    """Give a row for each scheme, rate and window: means over so many years."""
    rng = np.random.default_rng(seed)
    likely = np.zeros(PEOPLE)
    likely[rng.permutation(PEOPLE)[: int(LEAVERS * PEOPLE)]] = 1.0
    weight = np.where(likely > 0, THEIRS / LEAVERS, (1 - THEIRS) / (1 - LEAVERS))
    for rate in RATES:
        for name, window in WINDOWS.items():
            drawn = [arrivals(rate, weight, window, rng) for _ in range(years)]
            for scheme in (None, *kept(rng, likely)):
                found = [serve(scheme, runs) for runs in drawn]
                yield _row(scheme, rate, name, found)


def _row(scheme: Scheme | None, rate: int, window: str, found: Sequence[Year]) -> dict[str, object]:
    summed = {key: float(np.mean([asdict(y)[key] for y in found])) for key in asdict(found[0])}
    people, runs = sum(y.people for y in found), sum(y.runs for y in found)
    return {
        "scheme": scheme.name if scheme else "none: retrain",
        "stored": len(scheme.seen) if scheme else 0,
        "requests_a_month": rate,
        "served": window,
        **{key: round(value, 3) for key, value in summed.items()},
        "clean_share": round(sum(y.clean for y in found) / max(1, runs), 4),
        "each": round(sum(y.candidates + y.bases for y in found) / max(1, people), 4),
    }
