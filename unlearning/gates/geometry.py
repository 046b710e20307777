"""A class that goes is sent where models send it that were trained without what goes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from unlearning.errors import PolicyError
from unlearning.gates import GATES
from unlearning.gates.asking import usable
from unlearning.gates.groups import CLASSES
from unlearning.statistics.levels import held_together, interval_of
from unlearning.terms import Measurement, Outcome, Verdict

LEAST = 3
"""Class-out models without which there is no spread to compare with."""

MODELS = "class_out_models"
"""How many there are."""

BOUNDED = ("mia_nn", "class_tv", "class_tv_null")
"""What is measured of each class that goes, the limit's own number last."""

Naming = Callable[[str], str]


@GATES.register
@dataclass(frozen=True, kw_only=True)
class Geometry:
    """Bound how far a class that goes is sent elsewhere than by models trained without it.

    Two numbers, each with its whole interval. `mia_nn`, two-sided since it is the size of a signed
    gap: the share of the class's test examples that is taken for its nearest neighbour's, less that
    share by class-out models. `class_tv`: the total variation between its answers and theirs; it
    may exceed what they differ by among themselves, both at the worse ends of their intervals.

    Where several classes go each must pass by itself, and refuses at its share of the error.

    models: class-out models that are trained for the request, three at least. tolerance: a
    fraction, for both numbers. It passes where no class goes: whole, or but for a share less than
    half of what stays of all others.
    """

    name: ClassVar[str] = "geometry"
    needs: ClassVar[frozenset[str]] = frozenset({CLASSES})

    models: int = 3
    tolerance: float = 0.20

    def __post_init__(self) -> None:
        """Refuse what says nothing."""
        if self.models < LEAST or not 0 < self.tolerance < 1:
            raise PolicyError(
                f"gates.geometry: got {self.models} models and tolerance {self.tolerance}, "
                f"expected at least {LEAST} models and a tolerance between 0 and 1"
            )

    def judge(self, measured: Mapping[str, Measurement]) -> Verdict:
        """Compare both numbers with their limits and report the worst."""
        if measured[CLASSES].value == 0:
            reason = "does not apply: no class is forgotten whole"
            return Verdict(self.name, Outcome.PASSED, reason)
        limits, enough = self.limits(measured), self._few_models(measured) is None
        known = [of for of in _asked(measured) if enough and _unmeasured(of, measured) is None]
        failed = [m for of in known for m in self._outside(of, measured)]
        doubt = None if failed else self._doubt(measured)
        if doubt:
            return Verdict(self.name, Outcome.INCONCLUSIVE, doubt)
        bounded = [measured[of(name)] for of in known for name in BOUNDED[:2]]
        open_ = [m for m in bounded if not m.high <= limits[m.name][1]]
        outcome = Outcome.FAILED if failed else Outcome.INCONCLUSIVE if open_ else Outcome.PASSED
        worst = (failed or open_ or bounded)[0]
        return Verdict(self.name, outcome, _words(worst, limits[worst.name][1]))

    def limits(self, measured: Mapping[str, Measurement]) -> dict[str, tuple[float, float]]:
        """Bound both numbers, and the number of models, where a class goes."""
        if measured[CLASSES].value == 0:
            return {}
        found = {MODELS: (float(self.models), float("inf"))}
        for of in _asked(measured):
            null = measured.get(of("class_tv_null"))
            allowed = float("nan") if null is None else null.low + self.tolerance
            found[of("mia_nn")] = (0.0, self.tolerance)
            found[of("class_tv")] = (float("-inf"), allowed)
        return found

    def _doubt(self, measured: Mapping[str, Measurement]) -> str | None:
        few, asked = self._few_models(measured), _asked(measured)
        if few:
            return few
        if len(asked) != measured[CLASSES].value:
            return (
                f"{len(asked)} of {measured[CLASSES].value:g} classes that go were measured: each "
                "needs models, and test examples of its own"
            )
        return next((doubt for of in asked if (doubt := _unmeasured(of, measured))), None)

    def _few_models(self, measured: Mapping[str, Measurement]) -> str | None:
        models = measured.get(MODELS)
        if models is None or not usable(models):
            return f"{MODELS} was not measured, or is no number"
        few = f"{models.value:.0f} class-out models, at least {self.models} are needed"
        return few if models.value < self.models else None

    def _outside(self, of: Naming, measured: Mapping[str, Measurement]) -> Iterator[Measurement]:
        count = len(_asked(measured))
        found = (measured[of(name)] for name in BOUNDED)
        size, far, null = (held_together(interval_of(m), count) for m in found)
        if size.low > self.tolerance:
            yield measured[of("mia_nn")]
        if far.low > null.high + self.tolerance:
            yield measured[of("class_tv")]


def of_class(k: int, name: str) -> str:
    """Name a number of one of several classes that go, by the class."""
    return f"class/{k}/{name}"


def _asked(measured: Mapping[str, Measurement]) -> list[Naming]:
    """Give for each class that was asked about how its numbers are named."""
    if measured[CLASSES].value == 1:
        return [str]
    parts = (name.split("/") for name in measured if name.startswith("class/"))
    classes = sorted({int(part[1]) for part in parts})
    return [partial(of_class, k) for k in classes]


def _unmeasured(of: Naming, measured: Mapping[str, Measurement]) -> str | None:
    for name in map(of, BOUNDED):
        if name not in measured:
            return f"{name} was not measured: it needs models, and test examples of the class"
        if not usable(measured[name]):
            return f"{name} is not a number with an interval"
    return None


def _words(m: Measurement, allowed: float) -> str:
    names = {
        "mia_nn": "share taken for the nearest class, apart from class-out models' by",
        "class_tv": "total variation from class-out models",
    }
    *of, name = m.name.split("/")
    which = f"class {of[1]}: " if of else ""
    text = f"{which}{names[name]} {m.value:.3f} [{m.low:.3f}, {m.high:.3f}] (n={m.n})"
    return f"{text}, allowed up to {allowed:.3f}"
