"""Whether examples are necessary, or sufficient, for a forget set to be forgotten.

An example is a cause of forgetting where parts of the forget set were unlearned by lot: who is in a
part does not depend on anything, so that what is seen with and without an example is what follows
from it. The probabilities of necessity (forgotten with it: would it not be, without?) and of
sufficiency (not forgotten without it: would it be, with?) are then bounded by two shares (Tian and
Pearl 2000, of exogenous causes); with trials of one chance each they are not known exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unlearning.domain import BoolArray, FloatArray
from unlearning.errors import UsageError


@dataclass(frozen=True, eq=False)
class Causes:
    """Bounds of both probabilities by example, (examples, 2) each: low, high.

    NaN where there is nothing to ask: no part with the example was forgotten (necessity), none
    without it was kept (sufficiency).
    """

    necessity: FloatArray
    sufficiency: FloatArray


def causes(members: BoolArray, forgotten: BoolArray) -> Causes:
    """Bound both by random parts that were unlearned.

    members: (trials, examples), who was in each. forgotten: (trials,), whether as much was lost as
    was asked for. Raises UsageError where an example was in every part, or in none.
    """
    count = members.sum(0)
    if not count.all() or (count == len(members)).any():
        raise UsageError(
            f"core-set: got {len(members)} parts of which an example is in all or in none, "
            "expected some with and some without each"
        )
    with_it = (members & forgotten[:, None]).sum(0) / count
    without = (~members & forgotten[:, None]).sum(0) / (len(members) - count)
    more = np.maximum(0, with_it - without)
    return Causes(
        np.stack([_share(more, with_it), _share(1 - without, with_it)], axis=1),
        np.stack([_share(more, 1 - without), _share(with_it, 1 - without)], axis=1),
    )


def _share(part: FloatArray, whole: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole > 0, np.minimum(1, part / whole), np.nan)


def of_part(core: BoolArray, rest: BoolArray, whole: BoolArray) -> tuple[float, float]:
    """Give the necessity and the sufficiency of a part, by the same seeds, (seeds,) each.

    Whether each was forgotten by unlearning the part alone, the others alone, all. Nothing is lost
    where nothing is unlearned, so that no bounds are needed. NaN where all are never enough.
    """
    necessary = float(np.mean(~rest[whole])) if whole.any() else float("nan")
    return necessary, float(np.mean(core))


def by_chance(
    members: BoolArray, forgotten: BoolArray, draws: int, rng: np.random.Generator
) -> tuple[float, float]:
    """Give what the largest lower bounds reach, 95 of 100 times, where no example matters.

    Of necessity and of sufficiency, by permuting which part was forgotten.
    """
    found = [causes(members, rng.permutation(forgotten)) for _ in range(draws)]
    reached = [(_most(one.necessity), _most(one.sufficiency)) for one in found]
    necessity, sufficiency = np.percentile(reached, 95, axis=0)
    return float(necessity), float(sufficiency)


def _most(bounds: FloatArray) -> float:
    low = bounds[~np.isnan(bounds[:, 0]), 0]
    return float(low.max()) if len(low) else float("nan")
