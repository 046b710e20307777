"""Verdicts on a generator that is to have forgotten a class, against models trained without it.

Each number is held to the range in which one more such model would lie: Student's, over the models,
whose spread is taken for no smaller than what drawing pictures alone makes. A number passes whose
whole interval lies in the range, fails when none of it does, and is open in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from scipy import stats

from unlearning.domain import Measurement, Outcome, Verdict
from unlearning.gates.asking import SEVERITY, usable
from unlearning.generation.measures import (
    ENTROPY,
    FA,
    FD,
    PROBABILITY,
    RA,
    TV,
    Evidence,
    variation,
)
from unlearning.statistics.intervals import LEVEL, Interval

LEAST = 3
"""Class-out models without which there is no spread to compare with."""

CONCEPT = (FA, PROBABILITY, ENTROPY)
UTILITY = (RA, FD)
ABOVE_IS_WORSE, BELOW_IS_WORSE = (FD, TV), (RA,)


def range_of(models: Sequence[Measurement]) -> Interval:
    """Give where one more model lies, at 95 %: Student's prediction interval over the models."""
    values = [m.value for m in models]
    drawing = np.mean([((m.high - m.low) / (2 * 1.96)) ** 2 for m in models])
    spread = np.sqrt(max(float(np.var(values, ddof=1)), float(drawing)))
    n, value = len(values), float(np.mean(values))
    reach = stats.t.ppf(0.5 + LEVEL / 2, n - 1) * spread * np.sqrt(1 + 1 / n)
    return Interval(value, float(value - reach), float(value + reach))


def limits(name: str, around: Interval) -> tuple[float, float]:
    """Bound a number by the models' range; one that can be too good on a side is free there."""
    low = float("-inf") if name in ABOVE_IS_WORSE or around.low <= 0 else around.low
    high = float("inf") if name in BELOW_IS_WORSE else around.high
    return low, high


def outcome(m: Measurement, low: float, high: float) -> Outcome:
    """Say where an interval lies: inside, outside, or across an end."""
    if low <= m.low and m.high <= high:
        return Outcome.PASSED
    return Outcome.FAILED if m.low > high or m.high < low else Outcome.INCONCLUSIVE


def concept(candidate: Evidence, original: Evidence, models: Sequence[Evidence]) -> Verdict:
    """Say whether the class is drawn as by models that never saw it.

    FA, probability, entropy, and TV, how far what pictures are taken for lies from what those of
    these models are, by which these differ among each other. All must pass. Where the untouched
    original's FA is not outside the models' range the test has no power, and nobody passes.
    """
    doubt = _unmeasured((candidate, original, *models), CONCEPT) or _few(models)
    if doubt is None and not all(of.histogram.sum() for of in (candidate, *models)):
        doubt = "the histogram of judged classes is empty"
    if doubt:
        return Verdict("concept", Outcome.INCONCLUSIVE, doubt)
    rows = [_held(name, candidate.measured[name], models) for name in CONCEPT]
    rows.append(_histograms(candidate, models))
    found = _worst("concept", rows)
    if found.outcome is Outcome.PASSED and not _power(original, models):
        reason = "the test has no power here: the original is not told from the models by FA"
        return Verdict("concept", Outcome.INCONCLUSIVE, reason)
    return found


def utility(candidate: Evidence, models: Sequence[Evidence]) -> Verdict:
    """Say whether the other classes are drawn as well as by models that never saw the class."""
    doubt = _unmeasured((candidate, *models), UTILITY) or _few(models)
    if doubt:
        return Verdict("utility", Outcome.INCONCLUSIVE, doubt)
    return _worst("utility", [_held(name, candidate.measured[name], models) for name in UTILITY])


def recovery(candidate: Evidence, models: Sequence[Evidence], attacks: Sequence[str]) -> Verdict:
    """Say whether no attack brings back more of the class than from models that never saw it."""
    if not attacks:
        return Verdict("recovery", Outcome.INCONCLUSIVE, "no attack was named")
    every = [of.recovered for of in (candidate, *models)]
    doubt = _missing(every, attacks) or _few(models)
    if doubt:
        return Verdict("recovery", Outcome.INCONCLUSIVE, doubt)
    rows = [_recovered(name, candidate, models) for name in attacks]
    return _worst("recovery", sorted(rows, key=_excess, reverse=True))


Row = tuple[Measurement, float, float]
"""A number and its limits."""


def _held(name: str, m: Measurement, models: Sequence[Evidence]) -> Row:
    return m, *limits(name, range_of([of.measured[name] for of in models]))


def _recovered(name: str, candidate: Evidence, models: Sequence[Evidence]) -> Row:
    around = range_of([of.recovered[name] for of in models])
    return candidate.recovered[name], float("-inf"), around.high


def _histograms(candidate: Evidence, models: Sequence[Evidence]) -> Row:
    """Compare how far the candidate is from the models with how far they are from each other."""
    rng = np.random.default_rng(0)
    all_ = [of.histogram for of in models]
    among = [
        variation(own, [other for at, other in enumerate(all_) if at != place], rng)
        for place, own in enumerate(all_)
    ]
    return variation(candidate.histogram, all_, rng), *limits(TV, range_of(among))


def _excess(row: Row) -> float:
    """Give how far a whole interval lies above its limit; below 0 where it does not."""
    m, _, high = row
    return m.low - high


def _power(original: Evidence, models: Sequence[Evidence]) -> bool:
    return outcome(*_held(FA, original.measured[FA], models)) is Outcome.FAILED


def _few(models: Sequence[Evidence]) -> str | None:
    few = f"{len(models)} class-out models, at least {LEAST} are needed"
    return few if len(models) < LEAST else None


def _unmeasured(of: Iterable[Evidence], names: Sequence[str]) -> str | None:
    return _missing([one.measured for one in of], names)


def _missing(every: Sequence[Mapping[str, Measurement]], names: Sequence[str]) -> str | None:
    """Name what some generator lacks, or has no finite number for; None if nothing."""
    for name in names:
        for found in every:
            if name not in found:
                return f"{name} was not measured"
            if not usable(found[name]):
                return f"{name} is not a number with an interval"
    return None


def _worst(gate: str, rows: Sequence[Row]) -> Verdict:
    """Give the verdict on the number that is worst off."""
    rank: Callable[[Row], int] = lambda row: SEVERITY.index(outcome(*row))  # noqa: E731
    worst = max(rows, key=rank)
    m, low, high = worst
    reason = (
        f"{m.name} {m.value:.3f} [{m.low:.3f}, {m.high:.3f}] (n={m.n}), models without the class "
        f"[{low:.3f}, {high:.3f}]"
    )
    return Verdict(gate, outcome(*worst), reason)
