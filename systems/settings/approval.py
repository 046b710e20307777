"""The policy's section `approval:`: what is sent to a person before anything is released."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from systems.settings.checking import key_of
from unlearning.settings import between


@dataclass(frozen=True)
class InClass:
    """How much of one class is forgotten: so many of its training examples, forgets of trains.

    name: for people; None where it is logged, since a class may be a person.
    """

    forgets: int
    trains: int
    name: str | None = None


@dataclass(frozen=True)
class Skew:
    """From when a batch lies in one class.

    times: by how much that class's share of what is forgotten exceeds its share of the training
    data, or that of all others falls below theirs: of two classes none can be three times a half.
    examples: fewer of it are not asked about: chance makes any class that of a small batch.
    """

    times: float = field(metadata=between(1, 1_000_000))
    examples: int = field(metadata=between(1, 1_000_000_000))

    def reason(self, one: InClass, forgets: int, training_set: int) -> str | None:
        """Say that a class is one in which the batch lies; None if it is not."""
        if not forgets or not training_set or one.forgets < self.examples:
            return None
        if self.excess(one, forgets, training_set) <= self.times:
            return None
        share, usual = one.forgets / forgets, one.trains / training_set
        named = f"class {one.name}" if one.name else "one class"
        told = (
            f"{one.forgets} of {forgets} examples that are forgotten are of {named} ({share:.1%}), "
            f"which is {usual:.1%} of the training examples: "
        )
        if share > self.times * usual:
            return f"{told}more than {self.times:g} times as much"
        return f"{told}all others have less than their share by more than {self.times:g} times"

    def excess(self, one: InClass, forgets: int, training_set: int) -> float:
        """Give by how much a class's share exceeds its usual one, or the others' falls below.

        Others count where a third of `examples` of them, by three `times`, were to be expected.
        Infinite where there is none of these.
        """
        own = _times(one.forgets * training_set, one.trains * forgets)
        expected = (training_set - one.trains) * forgets
        if expected * self.times < self.examples * training_set:
            return own
        return max(own, _times(expected, (forgets - one.forgets) * training_set))


def _times(of: int, usual: int) -> float:
    """Give a ratio of counts; of nothing it is 0, and over nothing infinite."""
    return (of / usual) if usual > 0 else float("inf") if of > 0 else 0.0


@dataclass(frozen=True)
class Summed:
    """What a run forgets together with all since a person last approved a release.

    training_set: the training examples of then. in_class: as of `Facts`, among the classes of which
    the run forgets any.
    """

    forgets: int
    training_set: int
    in_class: InClass | None = None


SUMMED = "; counted with what was forgotten since a person last approved"
"""Ends a reason that the run alone does not give."""


@dataclass(frozen=True)
class Facts:
    """What a run comes to, as far as the rule asks.

    whole_classes: classes of which no training example stays. forgets, training_set: training
    examples. losses: of test accuracy, by the name of the measurement, None where it is missing.
    held_back: exact retraining that the utility gate alone did not pass; released: by the gates.
    in_class: the class in which most is forgotten for its size, where the rule asks about one.
    going_classes: classes that go though some of each stay. summed: with the releases before it;
    None where there is none to be counted.
    """

    whole_classes: int
    forgets: int
    training_set: int
    losses: Mapping[str, float | None]
    released: bool
    held_back: bool
    in_class: InClass | None = None
    going_classes: int = 0
    summed: Summed | None = None


@dataclass(frozen=True)
class Question:
    """Why a person is asked. override: to approve is to release against the utility gate."""

    reasons: tuple[str, ...]
    override: bool

    @property
    def persons(self) -> int:
        """How many must approve."""
        return 2 if self.override else 1


@dataclass(frozen=True)
class Approval:
    """What is sent to a person; a policy that says nothing of it sends nothing.

    whole_class: a class goes, all of it or but for less than half as large a share as stays of all
    others. share: more than this share of the training data is forgotten. utility_loss: the
    accuracy lost, measured or predicted for an honest retrain, is more. refused_retrain: exact
    retraining that the utility gate alone holds back may be released by two persons; without it
    such a run ends as refused. skew: what is forgotten lies in one class.
    """

    whole_class: bool = field(default=False, metadata={"key": "class"})
    share: float | None = field(default=None, metadata=between(0, 1))
    utility_loss: float | None = field(default=None, metadata=between(0, 1))
    refused_retrain: bool = False
    skew: Skew | None = None

    def as_written(self) -> dict[str, Any]:
        """Give the section as a policy writes it."""
        found = {key_of(f): getattr(self, f.name) for f in fields(self)}
        return found | {"skew": None if self.skew is None else asdict(self.skew)}

    def question(self, facts: Facts) -> Question | None:
        """Say what a person is asked about a run at its end; None if nobody is."""
        override = self.refused_retrain and facts.held_back and not facts.released
        if not (facts.released or override):
            return None
        counts = (facts.whole_classes, facts.forgets, facts.training_set)
        more = (facts.in_class, facts.going_classes, facts.summed)
        foreseen = self.foreseen(*counts, *more)
        reasons = (*_against_the_gate(override), *foreseen, *self._losses(facts))
        return Question(reasons, override) if reasons else None

    def foreseen(
        self,
        whole_classes: int,
        forgets: int,
        training_set: int,
        in_class: InClass | None = None,
        going_classes: int = 0,
        summed: Summed | None = None,
    ) -> tuple[str, ...]:
        """Give the reasons that are known before anything is trained; arguments as of `Facts`.

        What was released before is added only where the run alone is within a bound.
        """
        found = list[str]()
        if self.whole_class and whole_classes:
            found.append(f"{whole_classes} class(es) are forgotten whole")
        if self.whole_class and going_classes:
            found.append(
                f"{going_classes} class(es) go: less than half as large a share of each stays as "
                "of all other examples"
            )
        alone = Summed(forgets, training_set, in_class)
        found += self._first(self._large, alone, summed)
        # Of a class that goes is asked already.
        goes = self.whole_class and (whole_classes or going_classes)
        if not goes:
            found += self._first(self._skewed, alone, summed)
        return tuple(found)

    def _large(self, of: Summed) -> str | None:
        share = of.forgets / of.training_set if of.training_set else 1.0
        if self.share is None or share <= self.share:
            return None
        return (
            f"{of.forgets} of {of.training_set} training examples are forgotten ({share:.1%}), "
            f"more than {self.share:.1%}"
        )

    def _skewed(self, of: Summed) -> str | None:
        if self.skew is None or of.in_class is None:
            return None
        return self.skew.reason(of.in_class, of.forgets, of.training_set)

    def _first(
        self, ask: Callable[[Summed], str | None], alone: Summed, summed: Summed | None
    ) -> list[str]:
        """Give the reason that a run gives by itself, else the one with what was before it."""
        said = ask(alone)
        if said is None and summed is not None and alone.forgets:
            said = ask(summed)
            said = None if said is None else said + SUMMED
        return [] if said is None else [said]

    def _losses(self, facts: Facts) -> tuple[str, ...]:
        if self.utility_loss is None:
            return ()
        limit = self.utility_loss
        return tuple(
            f"{name} of test accuracy is {'not known' if loss is None else f'{loss:.1%}'}, "
            f"expected at most {limit:.1%}"
            for name, loss in facts.losses.items()
            if loss is None or not loss <= limit
        )


def _against_the_gate(override: bool) -> tuple[str, ...]:
    words = "exact retraining is held back by the gate on utility alone: to approve overrides it"
    return (words,) if override else ()
