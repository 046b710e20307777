"""A class that goes is sent where models send it that were trained without what goes of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from unlearning.errors import PolicyError
from unlearning.gates import GATES
from unlearning.gates.asking import usable
from unlearning.terms import Measurement, Outcome, Verdict

LEAST = 3
"""Class-out models without which there is no spread to compare with."""

BOUNDED = ("mia_nn", "class_tv", "class_tv_null")


@GATES.register
@dataclass(frozen=True, kw_only=True)
class Geometry:
    """Bound how far a class that goes is sent elsewhere than by models trained without it.

    Two numbers, each with its whole interval. `mia_nn`, two-sided since it is the size of a signed
    gap: the share of the class's test examples that is taken for its nearest neighbour's, less that
    share by class-out models. `class_tv`: the total variation between its answers and theirs; it
    may exceed what they differ by among themselves, both at the worse ends of their intervals.

    models: class-out models that are trained for the request, three at least. tolerance: a
    fraction, for both numbers. It asks of the full weights only, and passes where no class goes:
    whole, or but for a share less than half of what stays of all others.
    """

    name: ClassVar[str] = "geometry"
    needs: ClassVar[frozenset[str]] = frozenset({"forgotten_classes"})

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
        if measured["forgotten_classes"].value == 0:
            reason = "does not apply: no class is forgotten whole"
            return Verdict(self.name, Outcome.PASSED, reason)
        doubt = self._unmeasured(measured)
        if doubt:
            return Verdict(self.name, Outcome.INCONCLUSIVE, doubt)
        failed = [self._words(m, measured) for m in self._outside(measured)]
        if failed:
            return Verdict(self.name, Outcome.FAILED, failed[0])
        limits = self.limits(measured)
        bounded = [measured[name] for name in ("mia_nn", "class_tv")]
        open_ = [m for m in bounded if not m.high <= limits[m.name][1]]
        worst = (open_ or bounded)[0]
        outcome = Outcome.INCONCLUSIVE if open_ else Outcome.PASSED
        return Verdict(self.name, outcome, self._words(worst, measured))

    def limits(self, measured: Mapping[str, Measurement]) -> dict[str, tuple[float, float]]:
        """Bound both numbers, and the number of models, where a class goes."""
        if measured["forgotten_classes"].value == 0:
            return {}
        null = measured.get("class_tv_null")
        allowed = float("nan") if null is None else null.low + self.tolerance
        return {
            "class_out_models": (float(self.models), float("inf")),
            "mia_nn": (0.0, self.tolerance),
            "class_tv": (float("-inf"), allowed),
        }

    def _unmeasured(self, measured: Mapping[str, Measurement]) -> str | None:
        for name in ("class_out_models", *BOUNDED):
            if name not in measured:
                return f"{name} was not measured: it needs models, and test examples of the class"
            if not usable(measured[name]):
                return f"{name} is not a number with an interval"
        count = measured["class_out_models"].value
        few = f"{count:.0f} class-out models, at least {self.models} are needed"
        return None if count >= self.models else few

    def _outside(self, measured: Mapping[str, Measurement]) -> Iterator[Measurement]:
        size, far, null = (measured[name] for name in BOUNDED)
        if size.low > self.tolerance:
            yield size
        if far.low > null.high + self.tolerance:
            yield far

    def _words(self, m: Measurement, measured: Mapping[str, Measurement]) -> str:
        names = {
            "mia_nn": "share taken for the nearest class, apart from class-out models' by",
            "class_tv": "total variation from class-out models",
        }
        text = f"{names[m.name]} {m.value:.3f} [{m.low:.3f}, {m.high:.3f}] (n={m.n}), allowed"
        return f"{text} up to {self.limits(measured)[m.name][1]:.3f}"
