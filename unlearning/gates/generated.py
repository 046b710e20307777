"""A generator that is to have forgotten a class, beside models that were trained without it.

Each number is held to the range in which one more such model would lie. It passes whose whole
interval lies in the range, fails when none of it does, and is open in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from unlearning.errors import PolicyError
from unlearning.gates import GATES
from unlearning.gates.asking import SEVERITY, usable
from unlearning.settings import text_at
from unlearning.terms import Measurement, Outcome, Verdict

LEAST = 3
"""Class-out models without which there is no spread to compare with."""

FA, PROBABILITY, ENTROPY, TV = "FA", "p", "entropy", "TV"
RA, FD = "RA", "FD"
CONCEPT, UTILITY = (FA, PROBABILITY, ENTROPY, TV), (RA, FD)
ABOVE_IS_WORSE, BELOW_IS_WORSE = (FD, TV), (RA,)

MODELS, CLASSES, LINEAGE = "class_out_models", "forgotten_classes", "by_lineage"
NOT_ONE = (
    "no single class is forgotten whole, and only one can be looked for in drawn pictures: how it "
    "was made is the only proof"
)
BLIND = "the test has no power here: the original is not told from the models by FA"
Measured = Mapping[str, Measurement]
Limits = tuple[float, float]
Naming = Callable[[str], str]


def of(name: str) -> str:
    """Name a generator's number among all measurements."""
    return f"generated/{name}"


def back(attack: str) -> str:
    """Name FA after an attack."""
    return of(f"recovered/{attack}")


def around(name: str) -> str:
    """Name where one more model that never saw the class lies, by a candidate's measurement."""
    return f"{name}/models"


ORIGINAL = of(f"{FA}/original")


def attacks(shots: int, shot_steps: Sequence[int], guidances: Sequence[float]) -> tuple[str, ...]:
    """Name the attacks that bring a class back."""
    few = tuple(f"{shots} pictures, {steps} steps" for steps in shot_steps)
    return ("retain alone", *few, "label row", *(f"guidance {scale:g}" for scale in guidances))


def outcome(m: Measurement, low: float, high: float) -> Outcome:
    """Say where an interval lies: inside, outside, or across an end."""
    if low <= m.low and m.high <= high:
        return Outcome.PASSED
    return Outcome.FAILED if m.low > high or m.high < low else Outcome.INCONCLUSIVE


@dataclass(frozen=True)
class Row:
    """A measurement and what is allowed of it."""

    m: Measurement
    low: float
    high: float

    @property
    def outcome(self) -> Outcome:
        """Say where it lies."""
        return outcome(self.m, self.low, self.high)

    @property
    def excess(self) -> float:
        """Give how far the whole interval lies above; below 0 where it does not."""
        return self.m.low - self.high

    @property
    def words(self) -> str:
        """Say it in words."""
        m = self.m
        return (
            f"{m.name.rpartition('/')[2]} {m.value:.3f} [{m.low:.3f}, {m.high:.3f}] (n={m.n}), "
            f"models without the class [{self.low:.3f}, {self.high:.3f}]"
        )


def _limits(name: str, models: Measurement) -> Limits:
    """Bound a number by the models' range; one that can be too good on a side is free there."""
    short = name.removeprefix(of(""))
    free = short in ABOVE_IS_WORSE or short.startswith("recovered/") or models.low <= 0
    low = float("-inf") if free else models.low
    return low, float("inf") if short in BELOW_IS_WORSE else models.high


def _bounds(measured: Measured, names: Sequence[str]) -> dict[str, Limits]:
    known = (name for name in names if name in measured and around(name) in measured)
    return {name: _limits(name, measured[around(name)]) for name in known}


def _reaching(m: Measurement, low: float, high: float) -> Limits:
    """Widen limits by an interval's ends, so that a value within them has its interval within."""
    return low - (m.value - m.low), high + (m.high - m.value)


def _doubt(measured: Measured, names: Sequence[str], models: int) -> str | None:
    """Say what is missing for an answer; None if nothing is."""
    for name in (part for whole in names for part in (whole, around(whole))):
        if name not in measured:
            return f"{name} was not measured"
        if not usable(measured[name]):
            return f"{name} is not a number with an interval"
    count = measured[MODELS].value if MODELS in measured else 0
    few = f"{count:.0f} class-out models, at least {models} are needed"
    return None if count >= models else few


def _worst(gate: str, rows: Sequence[Row]) -> Verdict:
    """Give the verdict on the number that is worst off."""
    worst = max(rows, key=lambda row: SEVERITY.index(row.outcome))
    return Verdict(gate, worst.outcome, worst.words)


def _rows(measured: Measured, names: Sequence[str]) -> Iterator[Row]:
    bounds = _bounds(measured, names)
    return (Row(measured[name], *bounds[name]) for name in names)


def _require(gate: str, models: int, **counts: int) -> None:
    """Refuse settings that say nothing."""
    if models < LEAST:
        raise PolicyError(f"gates.{gate}: got {models} models, expected at least {LEAST}")
    for name, value in counts.items():
        if value < 1:
            raise PolicyError(f"gates.{gate}.{name}: got {value}, expected at least 1")


@GATES.register
@dataclass(frozen=True, kw_only=True)
class Concept:
    """The class is drawn as by models that never saw it.

    FA, the share of its pictures that a classifier takes for it; p, their mean probability of it;
    entropy of its answers; TV, how far what the pictures are taken for lies from what those of such
    models are, by which these differ among each other. All must lie in the models' range. Where the
    untouched original's FA does not lie beyond it the test has no power, and nobody passes.

    models: trained without the class for the request, three at least. pictures: drawn of it.
    """

    name: ClassVar[str] = "concept"
    needs: ClassVar[frozenset[str]] = frozenset({CLASSES})

    models: int = LEAST
    pictures: int = 100

    def __post_init__(self) -> None:
        """Refuse what says nothing."""
        _require(self.name, self.models, pictures=self.pictures)

    def judge(self, measured: Measured) -> Verdict:
        """Hold all four numbers to the models' ranges, and the original to its own."""
        if measured[CLASSES].value != 1:
            return Verdict(self.name, Outcome.INCONCLUSIVE, NOT_ONE)
        names = [of(name) for name in CONCEPT]
        doubt = _doubt(measured, names, self.models)
        if not doubt and not self.knows_original(measured):
            doubt = f"{ORIGINAL} was not measured"
        if doubt:
            return Verdict(self.name, Outcome.INCONCLUSIVE, doubt)
        found = _worst(self.name, list(_rows(measured, names)))
        if found.outcome is Outcome.PASSED and not self.told_apart(measured):
            return Verdict(self.name, Outcome.INCONCLUSIVE, BLIND)
        return found

    def limits(self, measured: Measured) -> dict[str, Limits]:
        """Bound the four numbers, where one class is forgotten whole."""
        return _bounds(measured, [of(name) for name in CONCEPT])

    def knows_original(self, measured: Measured) -> bool:
        """Say whether the untouched original was measured, and the models that it is held to."""
        names = (ORIGINAL, around(of(FA)))
        return all(name in measured and usable(measured[name]) for name in names)

    def told_apart(self, measured: Measured) -> bool:
        """Say whether the original's FA lies beyond the models' range with its whole interval."""
        limits = _limits(of(FA), measured[around(of(FA))])
        return outcome(measured[ORIGINAL], *limits) is Outcome.FAILED


@GATES.register
@dataclass(frozen=True, kw_only=True)
class GeneratedUtility:
    """The other classes are drawn as well as by models that were trained without what goes.

    RA, the share of their pictures that a classifier takes for what was asked; FD, the Frechet
    distance of its features of them from those of real pictures. Of our own exact retraining, which
    is one more such model, the values have to lie in the range, and not the whole intervals.

    models: as in `concept`. each: pictures that are drawn of every class.
    """

    name: ClassVar[str] = "generated_utility"
    needs: ClassVar[frozenset[str]] = frozenset({of(name) for name in UTILITY})

    models: int = LEAST
    each: int = 30

    def __post_init__(self) -> None:
        """Refuse what says nothing."""
        _require(self.name, self.models, each=self.each)

    def judge(self, measured: Measured) -> Verdict:
        """Hold both numbers to the models' ranges."""
        doubt = _doubt(measured, [of(name) for name in UTILITY], self.models)
        if doubt:
            return Verdict(self.name, Outcome.INCONCLUSIVE, doubt)
        bounds = self.limits(measured)
        return _worst(self.name, [Row(measured[name], *bounds[name]) for name in bounds])

    def limits(self, measured: Measured) -> dict[str, Limits]:
        """Bound both numbers; an exact retraining's by as much more as its intervals reach."""
        bounds = _bounds(measured, [of(name) for name in UTILITY])
        if LINEAGE not in measured or measured[LINEAGE].value != 1:
            return bounds
        return {name: _reaching(measured[name], *bounds[name]) for name in bounds}


@GATES.register
@dataclass(frozen=True, kw_only=True)
class Recovered:
    """No attack brings back more of the class than it does from models that never saw it.

    The attacks: `tuning_steps` on what stays alone, the damning one; `shot_steps` on so many
    `shots` of the class; a search for its label row in `row_steps`; drawing at other `guidances`.

    models: as in `concept`.
    """

    name: ClassVar[str] = "recovery"
    needs: ClassVar[frozenset[str]] = frozenset({CLASSES})

    models: int = LEAST
    tuning_steps: int = 40
    shots: int = 8
    shot_steps: tuple[int, ...] = (20, 40)
    row_steps: int = 60
    guidances: tuple[float, ...] = (1.0, 3.0, 4.0, 5.0)

    def __post_init__(self) -> None:
        """Take lists as a policy has them, and refuse what says nothing."""
        for name, kind in (("shot_steps", int), ("guidances", float)):
            object.__setattr__(self, name, _numbers(getattr(self, name), kind, name))
        counts = {"tuning_steps": self.tuning_steps, "shots": self.shots}
        _require(self.name, self.models, row_steps=self.row_steps, **counts)

    @property
    def attacks(self) -> tuple[str, ...]:
        """Name them."""
        return attacks(self.shots, self.shot_steps, self.guidances)

    def judge(self, measured: Measured) -> Verdict:
        """Hold what each attack brings back to what it brings back from the models."""
        if measured[CLASSES].value != 1:
            return Verdict(self.name, Outcome.INCONCLUSIVE, NOT_ONE)
        names = [back(attack) for attack in self.attacks]
        doubt = _doubt(measured, names, self.models)
        if doubt:
            return Verdict(self.name, Outcome.INCONCLUSIVE, doubt)
        rows = sorted(_rows(measured, names), key=lambda row: row.excess, reverse=True)
        return _worst(self.name, rows)

    def limits(self, measured: Measured) -> dict[str, Limits]:
        """Bound what each attack brings back."""
        return _bounds(measured, [back(attack) for attack in self.attacks])


def _numbers(value: object, kind: type[int] | type[float], name: str) -> tuple[float, ...]:
    """Read a list of numbers above 0; PolicyError otherwise."""
    found = tuple(value) if isinstance(value, list | tuple) else ()
    whole = (int,) if kind is int else (int, float)
    if not found or not all(type(one) in whole and 0 < one < 1e6 for one in found):
        raise PolicyError(
            f"gates.recovery.{name}: got {text_at(value)}, expected a list of numbers above 0"
        )
    return tuple(kind(one) for one in found)
