"""A few people, judged by models: the candidate's mean score, beside where the shadows' lie."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from unlearning.gates.asking import usable
from unlearning.statistics.levels import LEVEL, Interval, held_together, interval_of
from unlearning.terms import Measurement, Outcome

OWN, CHAMPION, ODDS = "mean_score", "mean_score_champion", "mean_score_odds"
UNSEEN, HALF, EVEN = "mean_score_unseen", "mean_score_half", "mean_score_even"
SPREAD, SPREAD_UNSEEN = "mean_score_spread", "mean_score_spread_unseen"

DOORS = ("refitted", "relearned")
"""Doors that need the network itself; the mean score is asked for there too."""


def asked(doors: Sequence[str]) -> list[str]:
    """Name each number that is held to a range of the shadows."""
    return [OWN, *(f"{OWN}/{name}" for name in doors if name in DOORS), SPREAD]


def unknown(measured: Mapping[str, Measurement], doors: Sequence[str]) -> str | None:
    """Name what was not measured, or is no number; None if nothing is missing."""
    names = {*asked(doors), UNSEEN, SPREAD_UNSEEN, CHAMPION, HALF}
    missing = sorted(n for n in names if n not in measured or not usable(measured[n]))
    return missing[0] if missing else None


def limits(
    measured: Mapping[str, Measurement], doors: Sequence[str]
) -> dict[str, tuple[float, float]]:
    """Bound each number: as low and as high as who saw nothing, and below who remembers half.

    The range is where one more model lies that never saw the set; its upper end is cut off where
    models begin that saw half of it, so that who kept as much is let through in 2.5 % at most. Each
    upper end holds by itself, since whoever remembers has to stay below them all; the lower ends,
    beyond which nobody remembers, hold together (Bonferroni), since an honest network has as many
    chances to look odd.
    """
    attempts = (1 - LEVEL) / (1 - level_of(measured))  # that share the error of one
    half = held_together(interval_of(measured[HALF]), attempts)
    unseen = interval_of(measured[UNSEEN])
    lower = _together(measured) if EVEN in measured else unseen  # older evidence has none
    score = (lower.low, min(unseen.high, half.low))
    spread = (float("-inf"), measured[SPREAD_UNSEEN].high)
    return {name: spread if name == SPREAD else score for name in asked(doors)}


def judge(measured: Mapping[str, Measurement], doors: Sequence[str]) -> tuple[Outcome, str]:
    """Say what the mean score lets say.

    FAILED for whoever remembers: beyond the range that holds for all numbers together, and nearer
    to models that saw half than to those that saw nothing; INCONCLUSIVE between that and the
    limits, for whoever avoids the examples (a retrained model of another recipe may), and where the
    untouched champion itself is not told apart from models that never saw them.
    """
    found = limits(measured, doors)
    beyond = next(_remembered(measured, doors), None)
    if beyond:
        return Outcome.FAILED, _words(measured[beyond], found[beyond], measured)
    if not controls(measured)[0]:
        return Outcome.INCONCLUSIVE, (
            "the test has no power here: the untouched champion's mean score "
            f"{measured[CHAMPION].value:.2f} is not above where models lie that never saw the "
            f"examples, [{measured[UNSEEN].low:.2f}, {measured[UNSEEN].high:.2f}]"
        )
    open_ = [name for name, (low, high) in found.items() if not low <= measured[name].value <= high]
    name = open_[0] if open_ else OWN
    outcome = Outcome.INCONCLUSIVE if open_ else Outcome.PASSED
    return outcome, _words(measured[name], found[name], measured)


def controls(measured: Mapping[str, Measurement]) -> tuple[bool, bool]:
    """Say whether the untouched champion is told apart from who never saw the set, and whether
    these lie where nothing is remembered."""
    unseen = measured[UNSEEN]
    return measured[CHAMPION].value > unseen.high, unseen.low < 0 < unseen.high


def _remembered(measured: Mapping[str, Measurement], doors: Sequence[str]) -> Iterator[str]:
    """Name the numbers that show remembering: an honest one may lie out, but not so near half."""
    scores = [name for name in asked(doors) if name != SPREAD]
    least = _together(measured).high
    if EVEN in measured:
        least = max(least, measured[EVEN].value)
    yield from (name for name in scores if measured[name].value > least)


def _together(measured: Mapping[str, Measurement]) -> Interval:
    """Give where who saw nothing lies with all numbers at once."""
    return held_together(interval_of(measured[UNSEEN]), 1 + len(DOORS))


def level_of(measured: Mapping[str, Measurement]) -> float:
    """Give the level of the intervals that decide on forgetting."""
    return measured["forget_level"].value if "forget_level" in measured else LEVEL


def _words(
    m: Measurement, allowed: tuple[float, float], measured: Mapping[str, Measurement]
) -> str:
    low, high = allowed
    odds = measured[ODDS].value if ODDS in measured else 0.0
    return (
        f"{m.name.replace('_', ' ')} {m.value:.2f}, allowed [{low:.2f}, {high:.2f}] by "
        f"{measured[UNSEEN].n} shadows (n={m.n}); never having seen them is 10^{odds:.1f} times as "
        "likely as having seen them all"
    )
