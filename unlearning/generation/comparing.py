"""What the gates on generators read: a candidate's numbers beside those of class-out models.

With each number comes the range in which one more such model would lie: Student's, over the models,
whose spread is taken for no smaller than what drawing pictures alone makes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from scipy import stats

from unlearning.domain import IntArray, Measurement
from unlearning.gates import generated
from unlearning.gates.generated import ENTROPY, FA, ORIGINAL, PROBABILITY, TV, around, back, of
from unlearning.generation.measures import Evidence, variation
from unlearning.statistics.intervals import LEVEL, Interval

FINER = (PROBABILITY, ENTROPY, TV)
"""Numbers that lie between those of whole pictures, other than shares."""


def range_of(models: Sequence[Measurement], grain: float = 0.0) -> Interval:
    """Give where one more model lies, at 95 %: Student's prediction interval over the models.

    It reaches at least as far as the middle one of the models' own intervals, and a `grain`
    farther: what half a picture is worth. Otherwise, of a share that is 0 in all of them, four
    models or more would leave no room for the interval of a candidate's 0 of as many pictures, and
    nobody could pass; nor could, of a mean, who is a thousandth of a picture above them.
    """
    values = [m.value for m in models]
    drawing = np.mean([((m.high - m.low) / (2 * 1.96)) ** 2 for m in models])
    spread = np.sqrt(max(float(np.var(values, ddof=1)), float(drawing)))
    n, value = len(values), float(np.mean(values))
    reach = stats.t.ppf(0.5 + LEVEL / 2, n - 1) * spread * np.sqrt(1 + 1 / n)
    low, high = np.median([(m.low, m.high) for m in models], axis=0)
    ends = min(low - grain, value - reach), max(high + grain, value + reach)
    return Interval(value, float(ends[0]), float(ends[1]))


def compared(
    candidate: Evidence,
    original: Evidence,
    models: Sequence[Evidence],
    level: float = LEVEL,
) -> dict[str, Measurement]:
    """Name a candidate's numbers, the models' ranges and the original's FA as gates ask for them.

    What some model lacks has no range, and what the candidate lacks is left out. level: of the
    interval of TV, which is made here.
    """
    classes = len(candidate.histogram)
    found = dict(_each(of, candidate.measured, [model.measured for model in models], classes))
    every = [model.recovered for model in models]
    found |= dict(_each(back, candidate.recovered, every, classes))
    if all(one.histogram.sum() for one in (candidate, *models)) and len(models) > 1:
        others = [model.histogram for model in models]
        own = variation(candidate.histogram, others, np.random.default_rng(0), level)
        found |= dict(_each(of, {TV: own}, [{TV: one} for one in _among(others)], classes))
    if FA in original.measured:
        found[ORIGINAL] = _renamed(original.measured[FA], ORIGINAL)
    n = len(models)
    found[generated.MODELS] = Measurement(generated.MODELS, n, n, n, n)
    return found


def _each(
    naming: generated.Naming,
    own: Mapping[str, Measurement],
    models: Sequence[Mapping[str, Measurement]],
    classes: int,
) -> Iterator[tuple[str, Measurement]]:
    for short, m in own.items():
        name = naming(short)
        yield name, _renamed(m, name)
        if len(models) > 1 and all(short in model for model in models):
            where = range_of([model[short] for model in models], _grain(short, m.n, classes))
            ends = where.value, where.low, where.high
            yield around(name), Measurement(around(name), *ends, len(models))


def _grain(name: str, pictures: int, classes: int) -> float:
    """Give what half of so many drawn pictures' one is worth: less is no difference of pictures.

    A share counts whole pictures, and needs none; the entropy of one is at most that of chance.
    """
    if name not in FINER:
        return 0.0
    return (float(np.log(classes)) if name == ENTROPY else 1.0) / (2 * pictures)


def _renamed(m: Measurement, name: str) -> Measurement:
    return Measurement(name, m.value, m.low, m.high, m.n)


def _among(histograms: Sequence[IntArray]) -> list[Measurement]:
    """Give how far each model's pictures are taken for others than the other models' are."""
    rng = np.random.default_rng(0)
    places = range(len(histograms))
    rest = [[histograms[at] for at in places if at != place] for place in places]
    return [variation(histograms[place], rest[place], rng) for place in places]
