"""The mean of independent repetitions, and how sure it is. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from scipy import stats

from unlearning.statistics import LEVEL, Interval


def mean_of(values: Sequence[float]) -> Interval:
    """Give the mean with Student's interval; of one value alone nothing is known, [-inf, inf]."""
    n, value = len(values), float(np.mean(values))
    if n < 2:
        return Interval(value, -np.inf, np.inf)
    reach = stats.t.ppf(0.5 + LEVEL / 2, n - 1) * np.std(values, ddof=1) / np.sqrt(n)
    return Interval(value, float(value - reach), float(value + reach))


def markdown(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)
