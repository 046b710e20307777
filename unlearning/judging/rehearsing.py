"""A rehearsal of a request: people who asked for nothing are forgotten, and judged by strangers.

The strangers are training examples too, left out of the rehearsal's own original. The bank answers
for them as for all that some of its shadows never saw. So no holdout and no test example is read,
by which gates will judge, and settings that are chosen here are not chosen by what judges them.
Attack and shadows are the gates' own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from unlearning import networks
from unlearning.bank.shadows import Bank
from unlearning.contracts import Gate
from unlearning.domain import BoolArray, Decision, Examples, Split
from unlearning.errors import Diverged, UsageError
from unlearning.gates.forgetting import Forgetting
from unlearning.judging.candidates import Basis, basis_of
from unlearning.judging.distance import Distance, distance
from unlearning.judging.doors import Asking, answers
from unlearning.judging.effects import Kind, effect
from unlearning.judging.measuring import ATTACK, measure
from unlearning.judging.trial import Trial
from unlearning.judging.verdicts import decide, judge
from unlearning.networks import Classifier
from unlearning.selecting import draw_people

STRANGERS = 0.25
"""Of the training examples. Fewer than a half: the original must have seen more than a shadow."""

REHEARSED = ("integrity", "utility", "forgetting")
"""Gates that ask for nothing but a candidate and the bank."""


def draw_strangers(train: Examples, free: BoolArray, seed: int) -> BoolArray:
    """Mask of about a quarter of the training examples, (n,): whole people of those that are free.

    free: (n,) examples whose people may be drawn.
    """
    rng = np.random.default_rng([seed, len(np.unique(train.subjects[free]))])
    return draw_people(train.subjects, free, STRANGERS * free.sum(), rng) & free


def laid_out(
    train: Examples, forgets: BoolArray, strangers: BoolArray, retained: BoolArray, classes: int
) -> Split:
    """Give a rehearsal's split, from masks over the training examples; some must be in each.

    The strangers are its holdout set and its test set: an attack and accuracy read them both.
    """
    counts = [int(mask.sum()) for mask in (forgets, strangers, retained)]
    if not all(counts):
        raise UsageError(
            f"rehearsal: got {counts[0]} examples to forget, {counts[1]} of strangers and "
            f"{counts[2]} to keep, expected some of each; ask for another number to forget"
        )
    unseen = train.take(strangers)
    return Split(train.take(forgets), train.take(retained), unseen, unseen, classes)


@dataclass(frozen=True)
class Found:
    """What a rehearsal says of a candidate.

    distance: from passing; unless `opened`, by its answers alone, which doors can only lengthen.
    kind: what the method did to the original.
    """

    distance: Distance
    opened: bool
    kind: Kind


@dataclass(frozen=True, eq=False)
class Rehearsed:
    """A rehearsal that is ready: an original, its split, and what candidates are judged on."""

    original: Classifier
    split: Split
    basis: Basis
    gates: tuple[Gate, ...]
    level: float

    @cached_property
    def untouched(self) -> Distance:
        """How far the original is from passing, which forgot nothing."""
        return self._far(self.basis.opened(self.original), self.gates)

    def judge(self, candidate: Classifier, nearest: float) -> Found:
        """Say how far a candidate is from passing.

        nearest: of the candidates before. Doors cost much and never bring one nearer, so that they
        stay shut for whoever is farther than that by the answers alone, or did nothing.
        """
        trial = self.basis.trial(candidate)
        if not np.isfinite(trial.candidate.logits).all():
            raise Diverged("the candidate's outputs are not finite; lower the learning_rate")
        kind = effect(trial.champion, trial.candidate, trial.gone).kind
        answers = self._far(trial, _by_answers(self.gates))
        if kind is Kind.NO_EFFECT or answers.value > nearest:
            return Found(answers, False, kind)
        return Found(self._far(self.basis.opened(candidate), self.gates), True, kind)

    def releases(self, candidate: Classifier) -> bool:
        """Say whether these gates would release a candidate, every door opened."""
        trial = self.basis.opened(candidate)
        if not np.isfinite(trial.candidate.logits).all():
            return False
        measured = measure(trial, ATTACK, self.basis.known, level=self.level)
        return decide(judge(measured, self.gates), exact=False) is Decision.RELEASED

    def _far(self, trial: Trial, gates: Sequence[Gate]) -> Distance:
        return distance(measure(trial, ATTACK, self.basis.known, level=self.level), gates)


def rehearse(
    original: Path,
    split: Split,
    bank: Bank,
    gates: Sequence[Gate],
    level: float,
    ask: Asking = answers,
) -> Rehearsed:
    """Lay a rehearsal out; `split` is that of `laid_out`, `level` the policy's.

    ask: who asks candidates.
    """
    asked = tuple(gate for gate in gates if gate.name in REHEARSED)
    basis = basis_of(original, split, by_strangers(bank, split.test), ask=ask)
    return Rehearsed(networks.load(original), split, basis, asked, level)


def by_strangers(bank: Bank, strangers: Examples) -> Bank:
    """Give the bank with each shadow's accuracy on those strangers that it never saw."""
    answers = bank.on(strangers.ids)
    right, unseen = answers.logits.argmax(2) == strangers.labels, ~answers.seen
    return dataclasses.replace(bank, test_accuracy=(right & unseen).sum(1) / unseen.sum(1))


def _by_answers(gates: Sequence[Gate]) -> list[Gate]:
    return [gate.by_answers() if isinstance(gate, Forgetting) else gate for gate in gates]
