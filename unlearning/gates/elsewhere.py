"""Enough examples to decide on a candidate that nobody saw being made.

Whoever holds gate, bank and strangers can teach a network to give the forget set the ranks that
shadows give it, and fewer examples do not tell it from a retrained one (docs/results/gates.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from unlearning.gates.parts import PART
from unlearning.terms import Measurement, Outcome, Verdict


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """Of a candidate that was made elsewhere at least `examples` examples are judged.

    Of classes and others that go together each part has as many. It is no gate that a policy names:
    Lethe's own candidates are made by methods that read neither bank nor strangers, as its log
    tells, and are not asked.
    """

    name: ClassVar[str] = "elsewhere"
    needs: ClassVar[frozenset[str]] = frozenset({"forget_auc"})

    examples: int

    def judge(self, measured: Mapping[str, Measurement]) -> Verdict:
        """Leave undecided whom so few examples cannot tell from an imitation."""
        fewest = min(m.n for name, m in measured.items() if _counts(name))
        reason = f"made elsewhere, judged by {fewest} examples, at least {self.examples} are needed"
        enough = fewest >= self.examples
        return Verdict(self.name, Outcome.PASSED if enough else Outcome.INCONCLUSIVE, reason)

    def limits(self, measured: Mapping[str, Measurement]) -> dict[str, tuple[float, float]]:
        """Bound no measurement: it counts."""
        return {}


def _counts(name: str) -> bool:
    """Whether a measurement's count is of examples to forget: of all of them, or of a part."""
    return name == "forget_auc" or (name.startswith(PART) and name.removeprefix(PART).isdigit())
