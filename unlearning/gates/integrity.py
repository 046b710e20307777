"""The candidate is a working network at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from unlearning.gates import GATES
from unlearning.gates.groups import CLASSES
from unlearning.terms import Measurement, Outcome, Verdict


@GATES.register
@dataclass(frozen=True, kw_only=True)
class Integrity:
    """Every output is finite, and more than `classes` - 1 different classes are ever answered.

    Where a class goes, no more are asked for than test examples are of that stay: of two classes
    one is left, and who never saw the other answers nothing else.
    """

    name: ClassVar[str] = "integrity"
    needs: ClassVar[frozenset[str]] = frozenset({"finite_outputs", "answered_classes"})

    classes: int = 2

    def judge(self, measured: Mapping[str, Measurement]) -> Verdict:
        """Fail a network that gives NaN or always the same answer."""
        finite, answered = measured["finite_outputs"], measured["answered_classes"]
        if finite.value < 1:
            reason = f"{1 - finite.value:.1%} of {finite.n} outputs are not finite numbers"
            return Verdict(self.name, Outcome.FAILED, reason)
        if not answered.value >= self._asked(measured):
            reason = f"answers only {answered.value:.0f} class on {answered.n} test examples"
            return Verdict(self.name, Outcome.FAILED, reason)
        reason = f"all {finite.n} outputs are finite; {answered.value:.0f} classes are answered"
        return Verdict(self.name, Outcome.PASSED, reason)

    def limits(self, measured: Mapping[str, Measurement]) -> dict[str, tuple[float, float]]:
        """Bound both measurements."""
        return {
            "finite_outputs": (1.0, 1.0),
            "answered_classes": (self._asked(measured), float("inf")),
        }

    def _asked(self, measured: Mapping[str, Measurement]) -> float:
        """Give how many classes must be answered."""
        goes, left = measured.get(CLASSES), measured.get("test_classes")
        if goes is None or left is None or not goes.value > 0:
            return float(self.classes)
        return float(max(1, min(self.classes, left.value)))
