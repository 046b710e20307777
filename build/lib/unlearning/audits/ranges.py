"""Measurements beside what retrained models show in the candidate's place; nothing is decided."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from unlearning.audits.changes import LEAST
from unlearning.audits.running import RUNS, Ground, Model, Run
from unlearning.domain import Measurement
from unlearning.errors import Diverged, UsageError
from unlearning.statistics.intervals import LEVEL

CONTROL = "head_only_control"
"""The probes on the original: a method that moves nothing but the last layer keeps its features.

Where even this one lies inside the retrained models' range, `probes` has no power to tell it."""

Range = tuple[float, float]
UNKNOWN: Range = (float("nan"), float("nan"))


@dataclass(frozen=True)
class Placed:
    """A measurement, the range of retrained models, and in words whether it lies inside."""

    measurement: Measurement
    reference_low: float
    reference_high: float
    inside: str


@dataclass(frozen=True)
class Audited:
    """What one audit measured, or in words why it could not."""

    audit: str
    measurements: tuple[Placed, ...] = ()
    not_measured: str | None = None


def audited(
    ground: Ground, candidate: Model, told: Callable[[int, int], None]
) -> tuple[Audited, ...]:
    """Run every audit on a candidate and, for its range, on each retrained model in its place."""
    rows: list[Audited] = []
    for name, run in RUNS.items():
        ranges = ranges_of(run, ground)
        rows.append(_audited(name, run, ground, candidate, ranges))
        if name == "probes":
            rows.append(_audited(CONTROL, run, ground, ground.original, ranges))
        told(len(rows), len(RUNS) + 1)
    return tuple(rows)


def ranges_of(run: Run, ground: Ground) -> dict[str, Range]:
    """Give by measurement where one more retrained model would lie, by `range_of`.

    Each retrained model is a candidate among the others. Empty where an audit does not apply to it.
    """
    values: dict[str, list[float]] = {}
    for place, model in enumerate(ground.retrained):
        others = [other for k, other in enumerate(ground.retrained) if k != place]
        found = _attempt(run, dataclasses.replace(ground, retrained=others), model)
        for m in () if isinstance(found, str) else found:
            values.setdefault(m.name, []).append(m.value)
    return {name: range_of(of) for name, of in values.items()}


def range_of(values: Sequence[float]) -> Range:
    """Give where one more of these would lie, 95 %: Student's t; unknown from fewer than three."""
    count = len(values)
    if count < LEAST:
        return UNKNOWN
    mean, deviation = float(np.mean(values)), float(np.std(values, ddof=1))
    reach = float(stats.t.ppf(0.5 + LEVEL / 2, count - 1) * deviation * np.sqrt(1 + 1 / count))
    return mean - reach, mean + reach


def placed(m: Measurement, within: Range) -> str:
    """Say in words where a measurement lies.

    All models answer the same examples, so the value is compared; the interval, which also covers
    the choice of examples, says how sure that is.
    """
    low, high = within
    if not all(np.isfinite([low, high, m.value])):
        return "not known"
    if low <= m.value <= high:
        whole = low <= m.low and m.high <= high
        return "inside" if whole else "inside, its interval reaches beyond"
    side, clear = ("above", m.low > high) if m.value > high else ("below", m.high < low)
    return side if clear else f"{side}, its interval reaches inside"


def _audited(
    name: str, run: Run, ground: Ground, candidate: Model, ranges: Mapping[str, Range]
) -> Audited:
    found = _attempt(run, ground, candidate)
    if isinstance(found, str):
        return Audited(name, not_measured=found)
    return Audited(name, tuple(_placed(m, ranges.get(m.name, UNKNOWN)) for m in found))


def _placed(m: Measurement, within: Range) -> Placed:
    return Placed(m, *within, placed(m, within))


def _attempt(run: Run, ground: Ground, model: Model) -> list[Measurement] | str:
    """Give the measurements, or why there are none."""
    try:
        return run(ground, model)
    except (UsageError, Diverged) as problem:
        return str(problem)
