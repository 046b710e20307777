"""The guard: did a method do anything at all, or break the network? In words, with advice.

It decides nothing; gates do. It tells whoever reads a refusal which way to turn the settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from unlearning.domain import BoolArray, Group, IntArray, Outputs
from unlearning.judging.trial import exempt_classes, skill
from unlearning.statistics.entropies import entropy

CHANGED_ANSWERS = 0.01
"""Share of forget examples that are answered otherwise, up to which nothing happened."""

CHANGED_LOGITS = 0.02
"""Mean change of their logits, relative to the logits' mean size, up to which nothing happened."""

KEPT_ADVANTAGE = 0.1
"""Share of the accuracy above chance that must be left, or the network has collapsed."""

STILL_ANSWERED = 0.1
"""Share of a class that goes that is still answered so, by which more than by models that were
trained without it is not forgotten; who never saw a class at all answers nothing so."""

LEAST_FALL, SHARED_FALL = 0.1, 0.5
"""Test accuracy lost, from which on it counts, and its share of what the forget set lost."""

FLAT, FLATTER = 0.7, 0.25
"""Entropy of answers as a share of that of a uniform one: from where they are flat, and how much
more the forget set's must be than the test set's."""

HARDER = "raise learning_rate or epochs, or what else makes the method stronger"
SOFTER = "lower learning_rate or epochs, or give the retain set more weight"


class Kind(StrEnum):
    """What a method did to a network."""

    NO_EFFECT = "no effect"
    COLLAPSED = "collapsed"
    FAILED = "failed"
    STILL_ANSWERED = "class still answered"
    SHARED_FALL = "others fall too"
    FLAT = "flat answers"
    CHANGED = "changed"


@dataclass(frozen=True)
class Effect:
    """What a method did, in one word and in a sentence with advice."""

    kind: Kind
    words: str


def effect(
    original: Outputs, candidate: Outputs, gone: IntArray, without: Sequence[Outputs] = ()
) -> Effect:
    """Compare a candidate's outputs with the original's on the same examples.

    gone: the classes that go, which it need not know any more. without: outputs of models that were
    trained without the forget set; where there are none, nobody can tell how much of a class is
    still known to who saw what stays of it, and only classes of which nothing stays are asked for.
    """
    tested = np.asarray(original.of(Group.TEST) & ~np.isin(original.labels, gone))
    broken = _collapse(original, candidate, tested)
    if broken:
        return Effect(Kind.COLLAPSED, f"{broken}: {SOFTER}")
    answers, logits = _changes(original, candidate)
    moved = f"{answers:.1%} of the forget set is answered otherwise, logits moved by {logits:.1%}"
    if answers <= CHANGED_ANSWERS and logits <= CHANGED_LOGITS:
        return Effect(Kind.NO_EFFECT, f"{moved}: {HARDER}")
    fall = None if len(gone) else _shared_fall(original, candidate, tested)
    seen = _still_answered(original, candidate, gone, without)
    seen = seen or fall or _flat(original, candidate, tested)
    return seen or Effect(Kind.CHANGED, moved)


def failed(problem: str) -> Effect:
    """Give the effect of a method that gave no candidate, which its error tells."""
    return Effect(Kind.FAILED, problem)


def _changes(original: Outputs, candidate: Outputs) -> tuple[float, float]:
    """Share of changed answers, and mean |change| of logits over mean |logit|, on forget examples.

    A network's answer is the same whatever is added to all logits of an example, so each example's
    logits are taken about their mean.
    """
    of = original.of(Group.FORGET)
    before, after = (outputs.logits[of].astype(np.float64) for outputs in (original, candidate))
    answers = float(np.mean(before.argmax(1) != after.argmax(1)))
    before, after = (z - z.mean(1, keepdims=True) for z in (before, after))
    size = max(float(np.abs(before).mean()), np.finfo(np.float64).tiny)
    return answers, float(np.abs(after - before).mean()) / size


def _collapse(original: Outputs, candidate: Outputs, tested: BoolArray) -> str:
    """Say in what way the candidate is broken; empty if it is not.

    tested: (n,), the test examples of classes that do not go.
    """
    if not np.isfinite(candidate.logits).all():
        return "its outputs are not finite"
    labels, answers = original.labels[tested], candidate.logits[tested].argmax(1)
    if not len(labels):
        return ""
    if len(np.unique(labels)) > 1 and len(np.unique(answers)) == 1:
        return f"it answers class {answers[0]} for every test example"
    found = skill(original, candidate, tested)
    if found.lost(KEPT_ADVANTAGE):
        return f"its test accuracy is {found.after:.1%}, where chance gives {found.chance:.1%}"
    return ""


def _still_answered(
    original: Outputs, candidate: Outputs, gone: IntArray, without: Sequence[Outputs]
) -> Effect | None:
    """Say how much of the classes that go is still answered so."""
    asked = gone if without else np.intersect1d(gone, exempt_classes(original))
    where = original.of(Group.FORGET) & np.isin(original.labels, asked)
    if not where.any():
        return None
    labels = original.labels[where]
    shares = [float(np.mean(of.logits[where].argmax(1) == labels)) for of in (candidate, *without)]
    share, usual = shares[0], sum(shares[1:]) / max(1, len(without))
    if share - usual <= STILL_ANSWERED:
        return None
    words = f"{share:.1%} of what goes as a class is still answered so"
    return Effect(Kind.STILL_ANSWERED, f"{words}, by one without it {usual:.1%} would be: {HARDER}")


def _shared_fall(original: Outputs, candidate: Outputs, tested: BoolArray) -> Effect | None:
    """Say that test accuracy fell along with the forget set's: what was moved is not theirs alone.

    Only where examples of classes that stay are forgotten; a class has labels of its own to lose.
    """
    forgotten = original.of(Group.FORGET)
    if not tested.any():
        return None
    rest, gone = (skill(original, candidate, where) for where in (tested, forgotten))
    lost, wanted = rest.before - rest.after, gone.before - gone.after
    if lost < LEAST_FALL or lost < SHARED_FALL * wanted:
        return None
    words = f"test accuracy fell by {lost:.1%}, where the forget set's fell by {wanted:.1%}"
    return Effect(Kind.SHARED_FALL, f"{words}, so that not they alone are forgotten: {SOFTER}")


def _flat(original: Outputs, candidate: Outputs, tested: BoolArray) -> Effect | None:
    """Say that forget examples are answered as if by chance, which tells them from strangers."""
    most = np.log(candidate.logits.shape[1])
    if not tested.any():
        return None
    shares = [
        entropy(candidate.logits[w]).mean() / most for w in (original.of(Group.FORGET), tested)
    ]
    if shares[0] < FLAT or shares[0] - shares[1] < FLATTER:
        return None
    words = f"answers to the forget set have {shares[0]:.0%} of the entropy of chance, others have"
    advice = "stop earlier, or take a method or target that sends them to other classes"
    return Effect(Kind.FLAT, f"{words} {shares[1]:.0%}, which gives them away: {advice}")
