"""The mean of independent repetitions and how sure it is, and the page that shows such means."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import stats

from unlearning.statistics.intervals import LEVEL, Interval


def mean_of(values: Sequence[float]) -> Interval:
    """Give the mean with Student's interval; of one value alone nothing is known, [-inf, inf]."""
    n, value = len(values), float(np.mean(values))
    if n < 2:
        return Interval(value, -np.inf, np.inf)
    reach = stats.t.ppf(0.5 + LEVEL / 2, n - 1) * np.std(values, ddof=1) / np.sqrt(n)
    return Interval(value, float(value - reach), float(value + reach))


SEVERAL = 3
"""Repetitions from which an interval is written: Student's of two is twelve deviations."""


def told(mean: float, deviation: float | None, n: int, digits: int, scale: float = 1.0) -> str:
    """Write a mean of n from its deviation: ± half of Student's interval; of two their range."""
    value = f"{mean * scale:.{digits}f}"
    if n < 2 or deviation is None:
        return value
    spread = deviation * scale
    if n < SEVERAL:
        low, high = (mean * scale + side * spread / np.sqrt(2) for side in (-1, 1))
        return f"{value} ({low:.{digits}f} to {high:.{digits}f})"
    reach = stats.t.ppf(0.5 + LEVEL / 2, n - 1) * spread / np.sqrt(n)
    return f"{value} ± {reach:.{digits}f}"


def words_of(n: int) -> str:
    """Say what `told` writes of n seeds."""
    if n < 2:
        return "one seed, nothing is known of its spread"
    return "mean ± half of Student's 95 % interval" if n >= SEVERAL else "mean and range of the two"


def write_page(result: Path, words: str, table: str) -> None:
    """Write a result's table beside its JSON file, under what it was measured on."""
    content = json.loads(result.read_text())
    cpu, cores = content["hardware"]["cpu"], content["hardware"]["cores"]
    versions = ", ".join(f"{name} {version}" for name, version in content["versions"].items())
    head = f"# {content['benchmark']}\n\n{words}\n\n{cpu}, {cores} cores; {versions}. Settings: "
    result.with_suffix(".md").write_text(f"{head}{result.name}.\n\n{table}")
