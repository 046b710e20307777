"""MIA-NN: examples of a forgotten class must go where a network that never saw it sends them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from scipy import stats
from scipy.special import log_softmax, softmax

from unlearning.audits import AUDITS
from unlearning.audits.changes import LEAST, gap, mean_change, measured
from unlearning.domain import BoolArray, FloatArray, Group, IntArray, Measurement, Outputs
from unlearning.errors import UsageError
from unlearning.gates.geometry import of_class
from unlearning.judging.trial import exempt_classes
from unlearning.statistics.intervals import LEVEL, Interval


@AUDITS.register
@dataclass(frozen=True, kw_only=True)
class MiaNn:
    """Where test examples of a forgotten class go, against where retrained models send them.

    A reconstruction: no code is public. For each retained class a support vector machine learns to
    tell its test answers from the other retained classes', the forgotten columns removed, and its
    rate is the share of forgotten-class test examples that it takes for its own. `mia_nn/CLASS` is
    the candidate's rate less the retrained models' mean, `mia_nn` its size for the class that these
    answer most often. Intervals as those of `probes`: they cover the choice of test examples, and
    from three retrained models on one more of these; one that holds 0 says that the candidate
    could be one. `class_tv` is the mean total variation between candidate and retrained models on
    those examples, `class_tv_null` among these themselves; their intervals cover both too.

    examples: test answers that a machine learns from, at most. penalty: C of the machine. least:
    retrained models without which nothing is said.
    """

    name: ClassVar[str] = "mia_nn"
    paper: ClassVar[str] = "MIA-NN, with TRW (2025); reconstruction"
    runs: ClassVar[str] = "lethe audit; gate geometry; benchmark methods"

    examples: int = 2000
    penalty: float = 1.0
    least: int = LEAST

    def measure(
        self,
        candidates: Sequence[Outputs],
        references: Sequence[Outputs],
        rng: np.random.Generator,
    ) -> list[Measurement]:
        """Measure the first candidate; raises UsageError if no class is forgotten whole."""
        return self.of(candidates[0], references, exempt_classes(candidates[0]), rng)

    def of(
        self,
        candidate: Outputs,
        references: Sequence[Outputs],
        gone: IntArray,
        rng: np.random.Generator,
    ) -> list[Measurement]:
        """Measure where test examples of some classes go; UsageError if there are none."""
        case = self._case(candidate, len(references), gone, rng)
        hits = [self._hits(model, case) for model in (candidate, *references)]
        nearest = _nearest(references, case)
        gaps = list(_gaps(hits, case))
        closest = next(gap for gap in gaps if gap.name == f"mia_nn/{nearest}")
        return [_size(closest), *gaps, *_variations(candidate, references, case)]

    def _case(
        self, candidate: Outputs, references: int, forgotten: IntArray, rng: np.random.Generator
    ) -> _Case:
        test = candidate.of(Group.TEST)
        asked = test & np.isin(candidate.labels, forgotten)
        kept = np.flatnonzero(test & ~asked)
        if not asked.any() or not len(kept) or references < self.least:
            raise UsageError(
                f"mia_nn: got {len(forgotten)} classes forgotten whole, {asked.sum()} test "
                f"examples of them, {len(kept)} of others and {references} retrained models; "
                f"expected some of each, and at least {self.least} models"
            )
        drawn = rng.permutation(kept)[: self.examples]
        classes, first = np.unique(candidate.labels[kept], return_index=True)
        unseen = ~np.isin(classes, candidate.labels[drawn])  # each machine needs one of its own
        learned = np.concatenate([drawn, kept[first[unseen]]])
        return _Case(classes, asked, learned, candidate.subjects[asked])

    def _hits(self, model: Outputs, case: _Case) -> FloatArray:
        """Give 1 where a retained class's machine takes an example for its own: (classes, n).

        Where one class is left there is no other to tell it from, and it takes all.
        """
        from sklearn.preprocessing import StandardScaler

        if len(case.classes) == 1:
            return np.ones((1, int(case.asked.sum())))
        answers = log_softmax(model.logits[:, case.classes].astype(np.float64), axis=1)
        scaler = StandardScaler().fit(answers[case.learned])
        learned, asked = (scaler.transform(answers[w]) for w in (case.learned, case.asked))
        own = model.labels[case.learned]
        return np.stack([self._taken(learned, own == k, asked) for k in case.classes])

    def _taken(self, learned: FloatArray, own: BoolArray, asked: FloatArray) -> FloatArray:
        from sklearn.svm import SVC

        machine = SVC(C=self.penalty, kernel="rbf", class_weight="balanced").fit(learned, own)
        return np.asarray(machine.predict(asked), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class _Case:
    """classes: retained ones with test examples. asked: mask. learned: indices. subjects: asked."""

    classes: IntArray
    asked: BoolArray
    learned: IntArray
    subjects: IntArray


def whole(candidate: Outputs, references: Sequence[Outputs], gone: IntArray) -> list[Measurement]:
    """Give what the gate `geometry` reads of a candidate; gone: the classes that go.

    - forgotten_classes: how many go. class_out_models: how many retrained without the forget set
      there are.
    - Those of `MiaNn`, where there are test examples of the class, and of classes that stay, and
      models enough. Where several go each is asked about by itself, and its numbers are named by
      `of_class`: in the average over ten of them who kept one whole hardly differs.
    """
    tested = candidate.labels[candidate.of(Group.TEST)]
    n = int(candidate.of(Group.FORGET).sum())
    found = [
        Measurement(name, float(count), float(count), float(count), n)
        for name, count in (
            ("forgotten_classes", len(gone)),
            ("class_out_models", len(references)),
        )
    ]
    if len(references) < LEAST or np.isin(tested, gone).all():
        return found
    for k in gone[np.isin(gone, tested)]:
        others = candidate.of(Group.TEST) & np.isin(candidate.labels, np.setdiff1d(gone, k))
        own, *models = (outputs.take(~others) for outputs in (candidate, *references))
        of = MiaNn().of(own, models, np.array([k]), np.random.default_rng(0))
        found += of if len(gone) == 1 else [replace(m, name=of_class(k, m.name)) for m in of]
    return found


def _nearest(references: Sequence[Outputs], case: _Case) -> int:
    """Give the retained class that retrained models answer most often."""
    answers = [model.logits[case.asked][:, case.classes].argmax(1) for model in references]
    return int(case.classes[np.bincount(np.concatenate(answers)).argmax()])


def _gaps(hits: Sequence[FloatArray], case: _Case) -> Iterator[Measurement]:
    """Compare the candidate's hits, the first, with the others', class by class."""
    for row, k in enumerate(case.classes):
        own, *others = (model[row] for model in hits)
        yield measured(f"mia_nn/{k}", gap(own, others, case.subjects), len(own))


def _size(gap: Measurement) -> Measurement:
    """Give a signed gap's size; an interval that holds 0 begins there."""
    ends = abs(gap.low), abs(gap.high)
    low = 0.0 if gap.low <= 0 <= gap.high else min(ends)
    return Measurement("mia_nn", abs(gap.value), low, max(ends), gap.n)


def _variations(
    candidate: Outputs, references: Sequence[Outputs], case: _Case
) -> Iterator[Measurement]:
    answers = [softmax(m.logits[case.asked].astype(np.float64), axis=1) for m in references]
    stacked, count = np.stack(answers), len(references)
    own = softmax(candidate.logits[case.asked].astype(np.float64), axis=1)
    among = np.stack([total_variation(one, stacked).sum(0) / (count - 1) for one in answers])
    for name, values in (
        ("class_tv", total_variation(own, stacked)),
        ("class_tv_null", among),
    ):
        yield measured(name, _mean_of(values, case.subjects), values.shape[1])


def _mean_of(values: FloatArray, subjects: IntArray) -> Interval:
    """Give the mean of (models, n), as sure as the models and the subjects allow."""
    count, examples = len(values), mean_change(values.mean(0), subjects)
    spread = values.mean(1).std(ddof=1) / np.sqrt(count)
    models = stats.t.ppf(0.5 + LEVEL / 2, count - 1) * spread
    reach = float(np.hypot(examples.high - examples.value, models))
    return Interval(examples.value, examples.value - reach, examples.value + reach)


def total_variation(p: FloatArray, q: FloatArray) -> FloatArray:
    """Give half the sum of |p - q| over the classes, the last axis."""
    return np.asarray(np.abs(p - q).sum(-1) / 2)
