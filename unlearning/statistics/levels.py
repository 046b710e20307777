"""How sure a number is said to be: levels, intervals, and what several claims at once ask for.

Standard library only: whoever verifies evidence years later has neither numpy nor scipy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import comb, fsum
from statistics import NormalDist

from unlearning.terms import Measurement

LEVEL = 0.95


def level_of_each(attempts: int) -> float:
    """Give the level of each attempt's intervals, so that all attempts together err as one would.

    Bonferroni: of the share that one attempt may err in, each of `attempts` gets its part.
    """
    return 1 - (1 - LEVEL) / max(1, attempts)


FPRS = (0.01, 0.02, 0.05)
"""The false-positive rates at which tails are measured; a policy picks one by its limits."""


def memorised_count(examples: int) -> int:
    """How many of a forget set are its most memorised ones: a tenth, ten at least, all if fewer."""
    return min(examples, max(10, examples // 10))


@dataclass(frozen=True)
class Interval:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float


def interval_of(m: Measurement) -> Interval:
    """Give a measurement's number and ends."""
    return Interval(m.value, m.low, m.high)


def held_together(interval: Interval, count: float, level: float = LEVEL) -> Interval:
    """Widen a normal interval of `level` so that `count` such hold at once (Bonferroni)."""
    each = 1 - (1 - level) / count
    wider = _quantile(0.5 + each / 2) / _quantile(0.5 + level / 2)
    below, above = interval.value - interval.low, interval.high - interval.value
    return Interval(
        interval.value,
        interval.value - wider * below,
        interval.value + wider * above,
    )


def _quantile(p: float) -> float:
    """Of the normal distribution; a forged level may ask for what lies beyond all of it."""
    return NormalDist().inv_cdf(p) if 0 < p < 1 else float("inf")


def binomial(hits: int, n: int) -> Interval:
    """Exact binomial interval (Clopper and Pearson 1934) of `hits` in `n`, whole numbers.

    `intervals.clopper_pearson` is the same of numbers that are not whole.
    """
    alpha = (1 - LEVEL) / 2
    low = 0.0 if not hits else _root(lambda p: _at_least(hits, n, p) - alpha)
    high = 1.0 if hits == n else _root(lambda p: _at_least(hits + 1, n, p) - (1 - alpha))
    return Interval(hits / n, low, high)


def _at_least(hits: int, n: int, p: float) -> float:
    """Chance of so many hits or more."""
    return fsum(comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(hits, n + 1))


def _root(rising: Callable[[float], float]) -> float:
    """Where a rising function on [0, 1] crosses 0, by halving."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return (low + high) / 2
