"""When a part of a forget set may be unlearned in place of all of it.

The effect of unlearning a part S is E(S) = K(original) - K(unlearned S), K being how much a network
knows of what is to be forgotten. K has to look deep: by accuracy a single example is a core-set of
a whole class, while the features still hold the class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from unlearning.domain import FloatArray, Outcome, TrainingSets
from unlearning.errors import UsageError
from unlearning.statistics.intervals import LEVEL, Interval

SUFFICES, SPARES, SHARE, BEYOND_CHANCE = 0.9, 0.5, 0.1, 95
"""The core has that share of the effect at least, the rest that much at most; the core is so small
a part at most; and it lies above that percentile of random parts of its size."""

Said = tuple[Outcome, str]


@dataclass(frozen=True, eq=False)
class Effects:
    """Effects by one measure of knowledge, of the same unlearning seeds in one order, (seeds,).

    core, rest, whole: of the core, of the forget set without it, and of the forget set, on examples
    that the core does not name. rest_on_core, whole_on_core: what the core itself loses.
    chance: of random parts of the core's size, (parts,), and spread: of as many examples that
    k-centre takes, each a mean over seeds.
    """

    core: FloatArray
    whole: FloatArray
    rest_on_core: FloatArray
    whole_on_core: FloatArray
    chance: FloatArray
    spread: float


def require_classes(split: TrainingSets) -> None:
    """Refuse to shrink what people asked for: UsageError unless all of it are whole classes.

    What a person names has to be unlearned example by example; that others like it were unlearned
    says nothing of it.
    """
    kept = np.isin(split.forget.labels, np.unique(split.retain.labels))
    if kept.any() or not len(split.forget):
        raise UsageError(
            f"core-set: got {int(kept.sum())} of {len(split.forget)} examples of classes that "
            "stay, expected classes that are forgotten whole: unlearn all that a person names"
        )


def ratio_interval(upper: FloatArray, lower: FloatArray, *, level: float = LEVEL) -> Interval:
    """Give the ratio of two means of pairs, with Fieller's interval (1954).

    upper, lower: (seeds,). Unbounded where the lower mean is not surely above 0; no number with
    fewer than three pairs.
    """
    n, ratio = len(lower), float(upper.mean() / lower.mean()) if lower.mean() else np.nan
    if n < 3 or not np.isfinite([*upper, *lower]).all():
        return Interval(np.nan, -np.inf, np.inf)
    t = stats.t.ppf(0.5 + level / 2, n - 1)
    (a, c), (_, b) = np.cov(upper, lower) / n
    mean, under = upper.mean(), lower.mean()
    square = under**2 - t**2 * b
    if square <= 0 or under < 0:
        return Interval(ratio, -np.inf, np.inf)
    middle = mean * under - t**2 * c
    reach = np.sqrt(max(0.0, middle**2 - square * (mean**2 - t**2 * a)))
    return Interval(ratio, float((middle - reach) / square), float((middle + reach) / square))


def decide(
    effects: Mapping[str, Effects], split: TrainingSets, *, core: int, passes: float
) -> Said:
    """Say whether a core-set may stand for its forget set, by every measure of knowledge.

    core: how many examples it has. passes: what the search and unlearning the core cost, relative
    to unlearning the forget set. FAILED if one demand is surely not met, INCONCLUSIVE if one is not
    surely met, or nothing deep was measured. Raises UsageError by `require_classes`, whatever was
    measured.
    """
    require_classes(split)
    if not effects:
        return Outcome.INCONCLUSIVE, "no measure of what the features hold was taken"
    said = [_cheap(len(split.forget), core, passes)]
    for name, found in effects.items():
        said += [(outcome, f"{name}: {reason}") for outcome, reason in _demands(found)]
    for outcome in (Outcome.FAILED, Outcome.INCONCLUSIVE):
        reasons = [reason for one, reason in said if one is outcome]
        if reasons:
            return outcome, "; ".join(reasons)
    return Outcome.PASSED, "; ".join(reason for _, reason in said)


def _cheap(examples: int, core: int, passes: float) -> Said:
    small = core <= max(1, SHARE * examples) and passes < 1
    words = f"{core} of {examples} examples, at {passes:.2f} of the cost with the search"
    return (Outcome.PASSED if small else Outcome.FAILED), words


def _demands(found: Effects) -> Sequence[Said]:
    enough = ratio_interval(found.core, found.whole)
    spared = ratio_interval(found.rest_on_core, found.whole_on_core)
    return [
        _held(enough.low >= SUFFICES, enough.high < SUFFICES, "the core's share", enough),
        _held(spared.high <= SPARES, spared.low > SPARES, "what the others do to it", spared),
        _beyond(found),
    ]


def _held(surely: bool, surely_not: bool, name: str, m: Interval) -> Said:
    words = f"{name} {m.value:.2f} [{m.low:.2f}, {m.high:.2f}]"
    if surely:
        return Outcome.PASSED, words
    return (Outcome.FAILED if surely_not else Outcome.INCONCLUSIVE), words


def _beyond(found: Effects) -> Said:
    rivals = max(float(np.percentile(found.chance, BEYOND_CHANCE)), found.spread)
    own = float(found.core.mean())
    words = f"effect {own:.3f} beside {rivals:.3f} of random and spread-out parts"
    return (Outcome.PASSED if own > rivals else Outcome.FAILED), words
