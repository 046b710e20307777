"""Scores of people who were never seen, drawn as normal numbers and measured as real ones are.

Many draws go together, one a row. A row's numbers are those that `unlearning.statistics` gives it;
only the AUC, which costs the most, is computed here, for all rows together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise

import numpy as np
from scipy import stats

from unlearning.domain import FloatArray, Measurement
from unlearning.gates.parts import PART
from unlearning.gates.suspicions import LEARNED, MOVED
from unlearning.statistics.intervals import (
    FPRS,
    LEVEL,
    chance_variance,
    memorised_count,
    tail_interval,
)

LIKENESS: Mapping[str, float] = {
    "refitted": 0.70,
    "relearned": 0.89,
    MOVED: 0.13,
}
"""How an honest network's scores at a door correlate with its own: the lower of two grounds, since
`plan` is to promise no more than comes. AUCs of 18 pairs of a retrained model and a set of 500 or
1,000 pictures of CIFAR-10, in no table; scores of 18 models retrained without 300 digits were at
.94 for both (deviations .02, .08) and at -.13 for what training changes: who is high falls, which
makes no difference to an AUC.
"""


@dataclass(frozen=True, kw_only=True)
class Case:
    """How much there is to go by: examples, and the subjects that they belong to, on both sides.

    holdout: comparable ones only. likeness: share of a score's variance that examples of one
    subject have in common (a fraction), 0 where nobody knows. parts: forget and holdout examples of
    each part that is judged by itself, all in all those of the case; none where there is one.
    """

    examples: int
    subjects: int
    holdout: int
    holdout_subjects: int
    likeness: float = 0.0
    parts: tuple[tuple[int, int], ...] = ()

    def of_size(self, examples: int) -> Case:
        """Give a case with so many to forget, as many of each subject and as large a share each."""
        times = examples / self.examples
        ends = [round(times * end) for end in accumulate(forget for forget, _ in self.parts)]
        sizes = (end - start for start, end in pairwise([0, *ends]))
        parts = tuple(zip(sizes, (holdout for _, holdout in self.parts), strict=True))
        subjects = max(1, round(self.subjects * times))
        return replace(self, examples=examples, subjects=subjects, parts=parts)

    def part(self, number: int) -> Case:
        """Give what there is to go by for one part."""
        examples, holdout = self.parts[number]
        subjects, others = min(self.subjects, examples), min(self.holdout_subjects, holdout)
        return Case(
            examples=examples,
            subjects=subjects,
            holdout=holdout,
            holdout_subjects=others,
            likeness=self.likeness,
        )


@dataclass(frozen=True, eq=False)
class Drawn:
    """Scores of forget (draws, n) and holdout (draws, m) examples, none of whom was ever seen.

    doors: the same at each door whose scores are not the attack's own.
    """

    forget: FloatArray
    holdout: FloatArray
    doors: Mapping[str, Drawn] = field(default_factory=dict)

    def between(self, forget: slice, holdout: slice) -> Drawn:
        """Give those of some examples."""
        doors = {name: door.between(forget, holdout) for name, door in self.doors.items()}
        return Drawn(self.forget[:, forget], self.holdout[:, holdout], doors)

    def near(self, other: Drawn, shared: float) -> Drawn:
        """Mix in another draw; `shared` is the correlation with this one (a fraction)."""
        own, rest = np.sqrt(shared), np.sqrt(1 - shared)
        doors = {name: door.near(other.doors[name], shared) for name, door in self.doors.items()}
        return Drawn(
            own * self.forget + rest * other.forget,
            own * self.holdout + rest * other.holdout,
            doors,
        )

    def moved(self, lift: float) -> Drawn:
        """Lift the forget examples' scores, at every door but the one that asks for a change."""
        doors = {n: door if n == MOVED else door.moved(lift) for n, door in self.doors.items()}
        return Drawn(self.forget + lift, self.holdout, doors)


def drawn(case: Case, rng: np.random.Generator, draws: int, doors: Sequence[str] = ()) -> Drawn:
    """Draw scores, those of one subject alike as far as the case says, and those at some doors."""
    own = _one(case, rng, draws)
    others = {
        name: own.near(_one(case, rng, draws), LIKENESS[name] ** 2)
        for name in doors
        if name in LIKENESS
    }
    return Drawn(own.forget, own.holdout, others)


def _one(case: Case, rng: np.random.Generator, draws: int) -> Drawn:
    forget = _alike((draws, case.examples), case.subjects, case.likeness, rng)
    return Drawn(forget, _alike((draws, case.holdout), case.holdout_subjects, case.likeness, rng))


def _alike(
    shape: tuple[int, int], subjects: int, likeness: float, rng: np.random.Generator
) -> FloatArray:
    own = rng.normal(size=shape)
    if likeness == 0:
        return own
    common = rng.normal(size=(shape[0], subjects))[:, np.arange(shape[1]) % subjects]
    return np.asarray(np.sqrt(1 - likeness) * own + np.sqrt(likeness) * common)


def measured(
    case: Case,
    scores: Drawn,
    *,
    auc: float,
    fprs: Sequence[float] = FPRS,
    level: float = LEVEL,
) -> Iterator[dict[str, Measurement]]:
    """Measure each draw's part of a candidate: its AUC and both tails, at a true AUC of `auc`.

    Two normal distributions that are d deviations apart have AUC Phi(d / sqrt(2)). level: of the
    intervals.
    """
    moved = scores.moved(float(np.sqrt(2) * stats.norm.ppf(auc)))
    found = {"forget_auc": _aucs(case, moved, level)}
    found["memorised_auc"] = _aucs(*_tenth(case, moved), level)
    found |= {f"door/{name}": _aucs(case, door, level) for name, door in moved.doors.items()}
    for fpr in fprs:
        for side, sign in (("high", 1), ("low", -1)):
            found[f"forget_tail_{side}@{fpr}"] = _tails(
                case, moved, fpr=fpr, sign=sign, level=level
            )
    found[LEARNED] = np.zeros((len(moved.forget), 3))  # refuses nobody who never saw the holdout
    sizes = dict.fromkeys(found, case.examples)
    for name, size, numbers in _parts(case, moved, level):
        found[name], sizes[name] = numbers, size
    rows = {name: numbers.tolist() for name, numbers in found.items()}
    for row in range(len(moved.forget)):
        yield {name: _named(name, of[row], sizes[name]) for name, of in rows.items()}


def _parts(case: Case, scores: Drawn, level: float) -> Iterator[tuple[str, int, FloatArray]]:
    """Give each part's AUCs, as deployed and behind the doors, with its size.

    A part is examples that stand together; example i is of subject i modulo the subjects, so that
    whoever is in a part is one subject there too.
    """
    forget = holdout = 0
    for number, (size, strangers) in enumerate(case.parts):
        own = scores.between(slice(forget, forget + size), slice(holdout, holdout + strangers))
        asked = {"": own, **{f"/{name}": at for name, at in own.doors.items() if name != MOVED}}
        for door, drawn_there in asked.items():
            yield f"{PART}{number}{door}", size, _aucs(case.part(number), drawn_there, level)
        forget, holdout = forget + size, holdout + strangers


def _tenth(case: Case, scores: Drawn) -> tuple[Case, Drawn]:
    """Take as many as the most memorised are; which, makes no difference to who was never seen."""
    count = memorised_count(case.examples)
    few = replace(case, examples=count, subjects=min(count, case.subjects))
    return few, Drawn(scores.forget[:, :count], scores.holdout)


def _named(name: str, numbers: list[float], n: int) -> Measurement:
    value, low, high = numbers
    return Measurement(name, value, low, high, n)


def _aucs(case: Case, scores: Drawn, level: float) -> FloatArray:
    """Give each draw's AUC with its interval, (draws, 3), as `auc_interval` does."""
    rows = zip(scores.forget, scores.holdout, strict=True)
    placed, others = map(np.stack, zip(*(_placements(*row) for row in rows), strict=True))
    value, subjects = placed.mean(1), min(case.subjects, case.holdout_subjects)
    if subjects < 2:
        return np.stack([value, np.zeros_like(value), np.ones_like(value)], 1)
    variance = clustered_variance(placed, case.subjects)
    variance += clustered_variance(others, case.holdout_subjects)
    variance = np.maximum(variance, chance_variance(case.examples, case.holdout))
    reach = stats.t.ppf(0.5 + level / 2, subjects - 1) * np.sqrt(variance)
    return np.stack([value, (value - reach).clip(min=0), (value + reach).clip(max=1)], 1)


def _placements(forget: FloatArray, holdout: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Give what `placements` gives for either side among the other, without ties, by one sorting.

    The rth smallest of the holdout lies above those forget examples that have at most r below.
    """
    order = holdout.argsort()
    below = np.searchsorted(holdout[order], forget)
    others = np.empty(len(holdout))
    others[order] = np.bincount(below, minlength=len(holdout) + 1).cumsum()[:-1]
    return below / len(holdout), others / len(forget)


def clustered_variance(values: FloatArray, subjects: int) -> FloatArray:
    """Variance of each row's mean, (draws,), where example i is of subject i modulo `subjects`."""
    draws, n = values.shape
    padded = np.zeros((draws, -(-n // subjects) * subjects))
    padded[:, :n] = values - values.mean(1, keepdims=True)
    sums = padded.reshape(draws, -1, subjects).sum(1)
    return np.asarray(subjects / (subjects - 1) * (sums**2).sum(1) / n**2)


def _tails(case: Case, scores: Drawn, *, fpr: float, sign: int, level: float) -> FloatArray:
    """Give each draw's tail with its interval, (draws, 3)."""
    people = np.arange(case.examples) % case.subjects
    strangers = np.arange(case.holdout) % case.holdout_subjects
    rows = zip(sign * scores.forget, sign * scores.holdout, strict=True)
    found = (tail_interval(*row, people, strangers, fpr=fpr, level=level) for row in rows)
    return np.array([(tail.value, tail.low, tail.high) for tail in found])
