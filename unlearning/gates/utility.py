"""The candidate is as useful as an honest retrain would be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import ClassVar

from unlearning.gates import GATES
from unlearning.terms import Measurement, Outcome, Verdict


@GATES.register
@dataclass(frozen=True, kw_only=True)
class Utility:
    """Bound the loss of test accuracy, overall and in each class with enough test examples.

    Retraining on less data costs accuracy too, so the allowed loss is what the learning curve
    predicts for an honest retrain, plus what two seeds differ by (two standard deviations of a
    difference), plus `margin`. A class may lose `class_margin` on top, and is only reported where
    it has fewer than `class_examples` test examples. Margins are fractions, not percentages.
    """

    name: ClassVar[str] = "utility"
    needs: ClassVar[frozenset[str]] = frozenset(
        {"accuracy_drop", "predicted_drop", "seed_spread", "test_classes"}
    )

    margin: float = 0.01
    class_margin: float = 0.10
    class_examples: int = 200

    def judge(self, measured: Mapping[str, Measurement]) -> Verdict:
        """Compare every interval with its limit and report the worst."""
        drops = self._gated(measured)
        missing = int(measured["test_classes"].value) - len(self._classes(measured))
        if missing:
            reason = f"{missing} classes were not measured"
            return Verdict(self.name, Outcome.INCONCLUSIVE, reason)
        limits = self.limits(measured)
        failed = [m for m in drops if m.low > limits[m.name][1]]
        # Written as one chain so that NaN anywhere leaves it open.
        open_ = [m for m in drops if not m.low <= m.value <= m.high <= limits[m.name][1]]
        outcome = Outcome.FAILED if failed else Outcome.INCONCLUSIVE if open_ else Outcome.PASSED
        worst = (failed or open_ or drops)[0]
        return Verdict(self.name, outcome, _reason(worst, limits[worst.name][1]))

    def limits(self, measured: Mapping[str, Measurement]) -> dict[str, tuple[float, float]]:
        """Allow a loss up to the limit; a gain is never refused here."""
        spread = 2 * sqrt(2) * measured["seed_spread"].value
        allowed = max(0.0, measured["predicted_drop"].value) + spread + self.margin
        return {
            m.name: (-1.0, allowed + (0 if m.name == "accuracy_drop" else self.class_margin))
            for m in self._gated(measured)
        }

    def _classes(self, measured: Mapping[str, Measurement]) -> list[Measurement]:
        return [m for name, m in measured.items() if name.startswith("class_drop/")]

    def _gated(self, measured: Mapping[str, Measurement]) -> list[Measurement]:
        enough = [m for m in self._classes(measured) if m.n >= self.class_examples]
        return [measured["accuracy_drop"], *enough]


def _reason(drop: Measurement, limit: float) -> str:
    where = "test accuracy" if drop.name == "accuracy_drop" else f"class {drop.name[11:]}"
    low, high = -drop.high, -drop.low
    return (
        f"{where} changed by {-drop.value:+.1%} [{low:+.1%}, {high:+.1%}] (n={drop.n}); "
        f"an honest retrain may lose up to {limit:.1%}"
    )
