"""The year: who asks when, who is served together, and what that costs and takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.lineage import economics
from benchmarks.year.strategies import Spent, Strategy
from unlearning.domain import FloatArray, IntArray

WINDOWS = {"each alone": 0.0, "weekly": 7.0, "16 days": 16.0}
"""Days from the first request that waits to the run, as the policy's `collect` has it. 16: what a
margin of 14 days leaves of a month."""


@dataclass(frozen=True, eq=False)
class Served:
    """A year's runs: the people of each, and the days that each person waited, (n,)."""

    runs: Sequence[IntArray]
    waited: FloatArray


def drawn(rate: float, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
    """Draw who asks in a year and when, in days, in order; rate: requests a month."""
    who, days = economics.asked(rate, np.ones(economics.PEOPLE), rng)
    moments = days + rng.random(len(days))
    order = np.argsort(moments)
    return who[order], moments[order]


def served(who: IntArray, moments: FloatArray, window: float) -> Served:
    """Begin a run `window` days after the first request that waits; 0: one for each."""
    if not window:
        return Served([who[i : i + 1] for i in range(len(who))], np.zeros(len(who)))
    runs, waited, start = [], np.empty(len(who)), 0
    while start < len(who):
        begins = moments[start] + window
        end = int(np.searchsorted(moments, begins, side="right"))
        runs.append(who[start:end])
        waited[start:end] = begins - moments[start:end]
        start = end
    return Served(runs, waited)


def rows(strategies: Sequence[Strategy], years: int, seed: int) -> Iterator[dict[str, Any]]:
    """Give a row for each strategy, rate and window; all see the same years."""
    for rate in economics.RATES:
        asked = [drawn(rate, np.random.default_rng([seed, rate, year])) for year in range(years)]
        for name, window in WINDOWS.items():
            found = [served(*one, window) for one in asked if len(one[0])]
            for number, strategy in enumerate(strategies):
                rng = np.random.default_rng([seed, rate, int(window), number])
                spent = [strategy.spend(year.runs, rng) for year in found]
                yield {
                    "strategy": strategy.name,
                    "requests_a_month": rate,
                    "served": name,
                    **_row(found, spent),
                }


def _row(found: Sequence[Served], spent: Sequence[Spent]) -> dict[str, Any]:
    people = np.array([len(year.waited) for year in found])
    each = np.array([one.candidates + one.upkeep for one in spent]) / people
    waited = np.concatenate([year.waited for year in found])
    return {
        "years": len(found),
        "requests": _spread(people),
        "runs": _spread(np.array([len(year.runs) for year in found])),
        "each": _spread(each),
        "upkeep_each": _spread(np.array([one.upkeep for one in spent]) / people),
        "days": {"mean": _round(waited.mean()), "most": _round(waited.max(initial=0))},
        "exact_share": _spread(1 - np.array([one.approximate for one in spent]) / people),
    }


def _spread(values: FloatArray | IntArray) -> dict[str, float]:
    """Give the mean over the years, and where the middle 95 % of them lie."""
    low, high = np.percentile(values, (2.5, 97.5))
    return {"mean": _round(values.mean()), "low": _round(low), "high": _round(high)}


def _round(value: float) -> float:
    return float(f"{value:.5g}")
