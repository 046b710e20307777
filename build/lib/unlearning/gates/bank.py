"""There are shadows enough to have tested the candidate at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from unlearning.gates import GATES
from unlearning.terms import Measurement, Outcome, Verdict

LEAST_UNSEEN = 3
"""Shadows that never saw an example: one is scored by two others, for the null band."""


@GATES.register
@dataclass(frozen=True, kw_only=True)
class Bank:
    """The shadow bank has at least `smallest` models.

    The forgetting gate asks for as many too, but lineage excuses an exact method from that gate.
    Nothing excuses from this one: who trains no shadows cannot know what was forgotten.
    """

    name: ClassVar[str] = "bank"
    needs: ClassVar[frozenset[str]] = frozenset({"bank_shadows"})

    smallest: int = 8

    def judge(self, measured: Mapping[str, Measurement]) -> Verdict:
        """Leave a candidate undecided that too few shadows stand behind."""
        count = measured["bank_shadows"].value
        enough = count >= self.smallest
        reason = f"{count:.0f} shadows, at least {self.smallest} are needed"
        return Verdict(self.name, Outcome.PASSED if enough else Outcome.INCONCLUSIVE, reason)

    def limits(self, measured: Mapping[str, Measurement]) -> dict[str, tuple[float, float]]:
        """Bound the number of shadows."""
        return {"bank_shadows": (float(self.smallest), float("inf"))}
