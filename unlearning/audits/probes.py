"""Whether the body still knows what the last layer no longer says: probes at several depths."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.spatial.distance import cdist

from unlearning.audits.changes import gap, mean_change, measured, share
from unlearning.audits.representation import Representation
from unlearning.domain import FloatArray, Group, IntArray, Measurement
from unlearning.errors import UsageError

Probe = Callable[[FloatArray, IntArray, FloatArray], IntArray]
"""Learns from features (n, d) with labels (n,), and gives labels (m,) for other features (m, d)."""


@dataclass(frozen=True, kw_only=True)
class Probes:
    """How well a probe on the features still tells the forgotten apart, against retrained models.

    Needs features of the candidate, of the original and of at least one model retrained without the
    forget set; a bank's shadows are outputs only and cannot stand in. Where classes go, a new last
    layer is learned on holdout examples of all classes and asked about test examples of those. No
    network has trained on either; the training examples themselves will not do, since the original
    alone has memorised them, and a last layer learned from what is memorised serves it badly on
    other examples. Where no class goes, it is learned on retain
    examples and asked about the forget set. A retrained network is itself well above chance, since
    features transfer, so that the difference counts, not the rate. For each probe (`linear`:
    logistic regression; `mean`: nearest class mean) and layer:

    - probe/linear/LAYER: the candidate's rate.
    - probe_gap/...: its rate less the retrained models' mean; above 0 it knows more than they.
    - probe_drop/...: the original's rate less the candidate's. A method that moves nothing but the
      last layer drops nothing, at any depth: gap above 0 and a drop that holds 0 is shallow.
    - probe_null/...: as the gap, of the first retrained model against the others.

    Intervals cover the choice of examples and respect subjects; with three retrained models or more
    they cover what seeds differ by too, which can be the larger part, and with fewer only the null
    shows it. examples: that a probe learns from, at most.
    """

    name: ClassVar[str] = "probes"
    paper: ClassVar[str] = "An Illusion of Unlearning?, arXiv 2604.08271; DAMP, arXiv 2604.15166"

    examples: int = 5000

    def measure(
        self,
        candidate: Representation,
        original: Representation,
        retrained: Sequence[Representation],
        rng: np.random.Generator,
        gone: IntArray,
    ) -> list[Measurement]:
        """Measure at every layer; raises UsageError without examples or retrained models.

        gone: the classes that go.
        """
        exam = self._exam(candidate, gone, rng)
        if not (len(retrained) and len(exam.learned) and len(exam.asked)):
            raise UsageError(
                f"probes: got {len(retrained)} retrained models, {len(exam.learned)} examples to "
                f"learn from and {len(exam.asked)} to ask about, expected some of each"
            )
        models = [candidate, original, *retrained]
        found: list[Measurement] = []
        for layer in candidate.features:
            for kind, probe in PROBES.items():
                hits = [exam.hits(model, layer, probe) for model in models]
                found += _compared(f"{kind}/{layer}", hits, exam.subjects)
        return found

    def _exam(self, model: Representation, gone: IntArray, rng: np.random.Generator) -> _Exam:
        outputs = model.outputs
        learned, asked = outputs.of(Group.RETAIN), outputs.of(Group.FORGET)
        if len(gone):
            learned = outputs.of(Group.HOLDOUT)
            asked = outputs.of(Group.TEST) & np.isin(outputs.labels, gone)
        drawn = rng.permutation(np.flatnonzero(learned))[: self.examples]
        return _Exam(drawn, np.flatnonzero(asked), outputs.labels, outputs.subjects[asked])


@dataclass(frozen=True, eq=False)
class _Exam:
    """learned, asked: indices of examples. labels: of all. subjects: of those asked about."""

    learned: IntArray
    asked: IntArray
    labels: IntArray
    subjects: IntArray

    def hits(self, model: Representation, layer: str, probe: Probe) -> FloatArray:
        """Give 1 for each example asked about that the probe answers rightly, else 0."""
        features = model.features[layer]
        answers = probe(features[self.learned], self.labels[self.learned], features[self.asked])
        return np.asarray(answers == self.labels[self.asked], dtype=np.float64)


def _compared(name: str, hits: Sequence[FloatArray], subjects: IntArray) -> Iterator[Measurement]:
    """Compare the hits of candidate, original and retrained models, in this order."""
    candidate, original, *retrained = hits
    n = len(candidate)
    yield share(f"probe/{name}", candidate)
    yield measured(f"probe_gap/{name}", gap(candidate, retrained, subjects), n)
    yield measured(f"probe_drop/{name}", mean_change(original - candidate, subjects), n)
    if len(retrained) > 1:
        null = gap(retrained[0], retrained[1:], subjects)
        yield measured(f"probe_null/{name}", null, n)


def linear_answers(learned: FloatArray, labels: IntArray, asked: FloatArray) -> IntArray:
    """Answer by a logistic regression on standardised features, the classes weighted alike."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    logistic = LogisticRegression(class_weight="balanced", max_iter=2000)
    probe = make_pipeline(StandardScaler(), logistic).fit(learned, labels)
    return np.asarray(probe.predict(asked))


def nearest_mean_answers(learned: FloatArray, labels: IntArray, asked: FloatArray) -> IntArray:
    """Answer the class whose mean feature is nearest (Euclid); no training, so a few shots do."""
    classes = np.unique(labels)
    means = np.stack([learned[labels == k].mean(0) for k in classes])
    return np.asarray(classes[cdist(asked, means).argmin(1)])


PROBES: dict[str, Probe] = {"linear": linear_answers, "mean": nearest_mean_answers}
