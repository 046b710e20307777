"""MIA-NN: examples of a forgotten class must go where a network that never saw it sends them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import stats
from scipy.special import log_softmax, softmax

from unlearning.audits import AUDITS
from unlearning.domain import BoolArray, FloatArray, Group, IntArray, Measurement, Outputs
from unlearning.errors import UsageError
from unlearning.measuring import exempt_classes
from unlearning.statistics import LEVEL

LEAST = 3
"""Retrained models without which there is no spread to compare with (METHODS: K >= 3)."""


@AUDITS.register
@dataclass(frozen=True, kw_only=True)
class MiaNn:
    """Where test examples of a forgotten class go, against where retrained models send them.

    A reconstruction: no code is public. For each retained class a support vector machine learns to
    tell its test answers from the other retained classes', the forgotten columns removed, and its
    rate is the share of forgotten-class test examples that it takes for its own. `mia_nn/CLASS` is
    the candidate's rate less the retrained models' mean, `mia_nn` its size for the class that these
    answer most often. Intervals show where one more retrained model may lie: one that
    holds 0 says that the candidate could be one. `class_tv` is the mean total variation between
    candidate and retrained models on those examples, `class_tv_null` among these themselves.

    examples: test answers that a machine learns from, at most. penalty: C of the machine.
    """

    name: ClassVar[str] = "mia_nn"
    paper: ClassVar[str] = "MIA-NN, with TRW (2025); reconstruction"

    examples: int = 2000
    penalty: float = 1.0

    def measure(
        self,
        candidates: Sequence[Outputs],
        references: Sequence[Outputs],
        rng: np.random.Generator,
    ) -> list[Measurement]:
        """Measure the first candidate; raises UsageError if no class is forgotten whole."""
        candidate, case = candidates[0], self._case(candidates[0], len(references), rng)
        rates = np.stack([self._rates(model, case) for model in (candidate, *references)])
        nearest = _nearest(references, case)
        gaps = list(_gaps(rates, case))
        closest = next(gap for gap in gaps if gap.name == f"mia_nn/{nearest}")
        return [_size(closest), *gaps, *_variations(candidate, references, case.asked)]

    def _case(self, candidate: Outputs, references: int, rng: np.random.Generator) -> _Case:
        forgotten, test = exempt_classes(candidate), candidate.of(Group.TEST)
        asked = test & np.isin(candidate.labels, forgotten)
        kept = np.flatnonzero(test & ~asked)
        if not asked.any() or not len(kept) or references < LEAST:
            raise UsageError(
                f"mia_nn: got {len(forgotten)} classes forgotten whole, {asked.sum()} test "
                f"examples of them, {len(kept)} of others and {references} retrained models; "
                f"expected some of each, and at least {LEAST} models"
            )
        drawn = rng.permutation(kept)[: self.examples]
        return _Case(np.unique(candidate.labels[kept]), asked, drawn)

    def _rates(self, model: Outputs, case: _Case) -> FloatArray:
        """Give each retained class's rate, (classes,)."""
        from sklearn.preprocessing import StandardScaler

        answers = log_softmax(model.logits[:, case.classes].astype(np.float64), axis=1)
        scaler = StandardScaler().fit(answers[case.learned])
        learned, asked = (scaler.transform(answers[w]) for w in (case.learned, case.asked))
        own = model.labels[case.learned]
        return np.array([self._rate(learned, own == k, asked) for k in case.classes])

    def _rate(self, learned: FloatArray, own: BoolArray, asked: FloatArray) -> float:
        from sklearn.svm import SVC

        machine = SVC(C=self.penalty, kernel="rbf", class_weight="balanced").fit(learned, own)
        return float(machine.predict(asked).mean())


@dataclass(frozen=True, eq=False)
class _Case:
    """classes: retained ones with test examples. asked: (n,). learned: indices."""

    classes: IntArray
    asked: BoolArray
    learned: IntArray


def _nearest(references: Sequence[Outputs], case: _Case) -> int:
    """Give the retained class that retrained models answer most often."""
    answers = [model.logits[case.asked][:, case.classes].argmax(1) for model in references]
    return int(case.classes[np.bincount(np.concatenate(answers)).argmax()])


def _gaps(rates: FloatArray, case: _Case) -> Iterator[Measurement]:
    """Compare the first row of rates with the others, class by class."""
    others, n = rates[1:], int(case.asked.sum())
    reach = _student(len(others)) * others.std(0, ddof=1) * np.sqrt(1 + 1 / len(others))
    for k, gap, wide in zip(case.classes, rates[0] - others.mean(0), reach, strict=True):
        yield Measurement(f"mia_nn/{k}", float(gap), float(gap - wide), float(gap + wide), n)


def _size(gap: Measurement) -> Measurement:
    """Give a signed gap's size; an interval that holds 0 begins there."""
    ends = abs(gap.low), abs(gap.high)
    low = 0.0 if gap.low <= 0 <= gap.high else min(ends)
    return Measurement("mia_nn", abs(gap.value), low, max(ends), gap.n)


def _variations(
    candidate: Outputs, references: Sequence[Outputs], asked: BoolArray
) -> Iterator[Measurement]:
    answers = [softmax(m.logits[asked].astype(np.float64), axis=1) for m in references]
    stacked, count = np.stack(answers), len(references)
    own = softmax(candidate.logits[asked].astype(np.float64), axis=1)
    among = np.stack([total_variation(one, stacked).sum(0) / (count - 1) for one in answers])
    for name, values in (
        ("class_tv", total_variation(own, stacked)),
        ("class_tv_null", among),
    ):
        means = values.mean(1)
        reach = float(_student(count) * means.std(ddof=1) / np.sqrt(count))
        value = float(means.mean())
        yield Measurement(name, value, value - reach, value + reach, int(asked.sum()))


def total_variation(p: FloatArray, q: FloatArray) -> FloatArray:
    """Give half the sum of |p - q| over the classes, the last axis."""
    return np.asarray(np.abs(p - q).sum(-1) / 2)


def _student(count: int) -> float:
    return float(stats.t.ppf(0.5 + LEVEL / 2, count - 1))
