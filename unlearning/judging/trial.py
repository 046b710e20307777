"""What a candidate is measured on: its answers beside the champion's and the shadows'."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from unlearning.domain import (
    BoolArray,
    FloatArray,
    Group,
    IntArray,
    Measurement,
    Outputs,
    ShadowOutputs,
)
from unlearning.statistics.intervals import Interval


@dataclass(frozen=True, eq=False)
class Trial:
    """What a candidate is measured on.

    candidate, champion: outputs on the same examples in the same order. shadows: the bank's answers
    on the forget and holdout examples of them, in that order. opened: by door, the outputs on these
    of what was made of the candidate there. shadow_accuracy: (shadows,) on the test set;
    shadow_size: training examples of a shadow, on average; train_size: of the champion. gone: the
    classes that go, by all retained examples, of which the outputs hold a sample. apart:
    answers on the same examples as the shadows' of models that were trained without the forget set,
    where it is a group; then these are what everyone is held against.
    """

    candidate: Outputs
    champion: Outputs
    shadows: ShadowOutputs
    shadow_accuracy: FloatArray
    shadow_size: float
    train_size: int
    gone: IntArray
    opened: Mapping[str, Outputs] = field(default_factory=dict)
    apart: ShadowOutputs | None = None


def judged_part(outputs: Outputs) -> Outputs:
    """Give the forget examples and the holdout examples that they may be compared with.

    Where the forget set is of one class, or a few, only holdout examples of those classes are
    comparable: others would measure the class, not the membership.
    """
    forgotten = np.unique(outputs.labels[outputs.of(Group.FORGET)])
    comparable = outputs.of(Group.HOLDOUT) & np.isin(outputs.labels, forgotten)
    return outputs.take(outputs.of(Group.FORGET) | comparable)


def comparable_shadows(trial: Trial) -> ShadowOutputs:
    """Give the answers that calibrate on the examples of `judged_part`: the shadows', or apart."""
    return _on_judged_part(trial, trial.apart or trial.shadows)


def choosing_shadows(trial: Trial) -> ShadowOutputs:
    """Give the shadows' answers there, of whom about half saw each forget example."""
    return _on_judged_part(trial, trial.shadows)


def _on_judged_part(trial: Trial, shadows: ShadowOutputs) -> ShadowOutputs:
    champion = trial.champion
    held = champion.of(Group.FORGET) | champion.of(Group.HOLDOUT)
    forgotten = np.unique(champion.labels[champion.of(Group.FORGET)])
    kept = champion.of(Group.FORGET) | np.isin(champion.labels, forgotten)
    where = kept[held]
    return shadows.on(where)


@dataclass(frozen=True)
class Skill:
    """Accuracy before and after, and that of always giving the commonest answer; fractions."""

    before: float
    after: float
    chance: float

    def lost(self, kept: float) -> bool:
        """Whether less than the share `kept` is left of what there was above chance."""
        had, has = self.before - self.chance, self.after - self.chance
        return had > 0 and has < kept * had


def skill(before: Outputs, after: Outputs, where: BoolArray) -> Skill:
    """Compare two networks' answers on the same examples, where marked, (n,); some must be."""
    labels = before.labels[where]
    first, last = (float(np.mean(of.logits[where].argmax(1) == labels)) for of in (before, after))
    return Skill(first, last, chance=float(np.bincount(labels).max() / len(labels)))


def exempt_classes(outputs: Outputs) -> IntArray:
    """Give the classes that are forgotten whole: no retained example of them is among these."""
    forgotten = np.unique(outputs.labels[outputs.of(Group.FORGET)])
    return np.setdiff1d(forgotten, outputs.labels[outputs.of(Group.RETAIN)])


def forgotten_parts(forgotten: IntArray, gone: IntArray) -> list[IntArray]:
    """Give the classes of each part of a forget set: each class that goes, and the rest.

    forgotten: labels of the forget examples. gone: the classes that go.
    """
    rest = np.setdiff1d(forgotten, gone)
    return [*gone[:, None], *([rest] if len(rest) else [])]


def accuracies(outputs: Outputs) -> Mapping[Group, float]:
    """Give the accuracy of each group that has examples."""
    right = outputs.logits.argmax(1) == outputs.labels
    return {g: float(right[outputs.of(g)].mean()) for g in Group if outputs.of(g).any()}


def within(name: str, interval: Interval, n: int) -> Measurement:
    """Give a number with its interval, over n."""
    return Measurement(name, interval.value, interval.low, interval.high, n)


def exactly(name: str, value: float, n: int) -> Measurement:
    """Give a number that is what it is: both ends of its interval are itself."""
    return Measurement(name, float(value), float(value), float(value), n)
