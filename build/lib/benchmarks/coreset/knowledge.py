"""How much a network knows of each example that is to be forgotten, by what shows and by depth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from unlearning.audits.probes import linear_answers
from unlearning.audits.relearning import Relearning, area
from unlearning.bank.shadows import Bank
from unlearning.domain import BoolArray, Examples, FloatArray, Group, Outputs, Split, joined
from unlearning.features import features_of
from unlearning.judging.measuring import ATTACK
from unlearning.networks import Classifier
from unlearning.outputs import logits_of

SHOTS = 10
"""Examples of the class from the holdout set that a relearner is shown, over and over."""

SHALLOW = "accuracy"
"""The measure by which one example is a core-set of a class; it decides nothing."""

Knowledge = Callable[[Classifier], FloatArray]
"""Gives what a network knows of each example asked about, (n,)."""


def asked_of_class(split: Split, label: int) -> Examples:
    """Give the forget examples, then the test examples of their class, which nobody saw."""
    return joined(split.forget, split.test.take(split.test.labels == label))


def of_class(split: Split, label: int) -> Mapping[str, Knowledge]:
    """Measure a class: answered at once, by a probe on the features, after a few shots."""
    asked = asked_of_class(split, label)
    relearning = Relearning(epochs=3)
    known, lesson = split.holdout, _lesson(split, label, relearning)

    def probed(network: Classifier) -> FloatArray:
        read = features_of(network, known), features_of(network, asked)
        return _right(linear_answers(read[0], known.labels, read[1]), asked)

    def relearned(network: Classifier) -> FloatArray:
        return area(relearning.curve(network, lesson, asked, seed=0))

    return {SHALLOW: lambda of: _right(logits_of(of, asked).argmax(1), asked)} | {
        "probe": probed,
        "relearned": relearned,
    }


def _right(answers: np.ndarray, asked: Examples) -> FloatArray:
    return np.asarray(answers == asked.labels, dtype=np.float64)


def _lesson(split: Split, label: int, relearning: Relearning) -> Examples:
    """Give retain examples, and the shots as often as an average class has examples."""
    retain = split.retain.take(np.arange(min(relearning.examples, len(split.retain))))
    shots = np.flatnonzero(split.holdout.labels == label)[:SHOTS]
    times = max(1, round(len(retain) / split.classes / len(shots)))
    return joined(retain, split.holdout.take(np.tile(shots, times)))


@dataclass(frozen=True, eq=False)
class Membership:
    """How surely examples are members, by the attack of the gates, (n,) scores."""

    split: Split
    bank: Bank

    def __call__(self, network: Classifier) -> FloatArray:
        """Score the forget set."""
        both = joined(self.split.forget, self.split.holdout)
        groups = np.repeat([Group.FORGET, Group.HOLDOUT], [len(self.split.forget), len(both)])
        groups = groups[: len(both)]
        subjects = np.unique(both.subjects, return_inverse=True)[1]
        outputs = Outputs(logits_of(network, both), both.labels, groups, subjects)
        return ATTACK.score(outputs, self.bank.on(both.ids))[: len(self.split.forget)]


def of_examples(split: Split, bank: Bank) -> Mapping[str, Knowledge]:
    """Measure examples of classes that stay: whether they look like members."""
    asked = split.forget
    return {
        SHALLOW: lambda of: _right(logits_of(of, asked).argmax(1), asked),
        "membership": Membership(split, bank),
    }


def part_of(split: Split, part: BoolArray) -> Split:
    """Give the split in which a part of the forget set is unlearned, and the rest left out.

    The part is repeated until it is as large as the whole: a few examples get as many steps.
    """
    return replace(split, forget=split.forget.take(np.resize(np.flatnonzero(part), len(part))))


def rng_of(seed: int) -> torch.Generator:
    """Give the chance of an unlearning."""
    return torch.Generator().manual_seed(10_000 + seed)
