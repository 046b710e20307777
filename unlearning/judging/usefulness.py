"""How useful a candidate is: accuracy on the test set, and what an honest retrain would lose."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import stats

from unlearning.domain import BoolArray, Group, IntArray, Measurement
from unlearning.judging.trial import Trial, accuracies, exactly, within
from unlearning.statistics.intervals import (
    LEVEL,
    NOTHING,
    clopper_pearson,
    held_together,
    paired_difference,
)

LEAST_DOUBLINGS = 0.25
"""By how much the champion's data must exceed a shadow's for the curve between them to be drawn."""


def utility(trial: Trial) -> Iterator[Measurement]:
    """Measure test accuracy before and after, overall and by class, and what was to be expected."""
    candidate, champion = trial.candidate, trial.champion
    tested = candidate.of(Group.TEST) & ~np.isin(candidate.labels, trial.gone)
    labels, people = candidate.labels[tested], candidate.subjects[tested]
    after = candidate.logits[tested].argmax(1) == labels
    before = champion.logits[tested].argmax(1) == labels
    n = len(labels)
    for name, right in (("test_accuracy", after), ("champion_accuracy", before)):
        yield within(name, clopper_pearson(float(right.sum()), n) if n else NOTHING, n)
    yield within("accuracy_drop", paired_difference(before, after, people) if n else NOTHING, n)
    yield from _learning_curve(trial)
    yield from _class_drops(labels, people, before, after)


def _learning_curve(trial: Trial) -> Iterator[Measurement]:
    """Predict an honest retrain's loss of accuracy, from the shadows' to the champion's.

    Both on the whole test set, also where a class goes: what the bank knows of the shadows is over
    all of it, and a class that is easier or harder than others is no gain. Accuracy is taken to
    grow with the logarithm of the number of training examples. Where the champion had hardly more
    of them than a shadow, since half of the data has been erased, two points make no line: no loss
    is foretold, and no more allowed than margin and seeds allow.
    """
    forget = int(trial.candidate.of(Group.FORGET).sum())
    doublings = np.log2(trial.train_size / trial.shadow_size)
    gained = accuracies(trial.champion)[Group.TEST] - trial.shadow_accuracy
    slope = gained / doublings if doublings >= LEAST_DOUBLINGS else np.zeros_like(gained)
    drops = slope * -np.log2(max(1, trial.train_size - forget) / trial.train_size)
    n = len(drops)
    spread = float(trial.shadow_accuracy.std(ddof=1))
    reach = stats.t.ppf(0.5 + LEVEL / 2, n - 1) * drops.std(ddof=1) / np.sqrt(n)
    value = float(drops.mean())
    yield Measurement("predicted_drop", value, float(value - reach), float(value + reach), n)
    yield exactly("seed_spread", spread, n)


def _class_drops(
    labels: IntArray, people: IntArray, before: BoolArray, after: BoolArray
) -> Iterator[Measurement]:
    classes = np.unique(labels)
    yield exactly("test_classes", len(classes), len(labels))
    for k in classes:
        of = labels == k
        drop = held_together(paired_difference(before[of], after[of], people[of]), len(classes))
        yield within(f"class_drop/{k}", drop, int(of.sum()))
