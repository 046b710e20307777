"""Terms that need no arrays: parts of the data; numbers, verdicts and the decision on a candidate.

Standard library only: whoever verifies evidence years later judges these numbers again, with
neither numpy nor torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

TRAIN, HOLDOUT, TEST = "train", "holdout", "test"
SPLITS = (TRAIN, HOLDOUT, TEST)
"""What an example is for: to be learned, to be compared with, or to test; of a data version."""


@dataclass(frozen=True)
class Measurement:
    """A named number with its 95 % interval and the number of examples behind it."""

    name: str
    value: float
    low: float
    high: float
    n: int


class Outcome(StrEnum):
    """What one gate says."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True)
class Verdict:
    """One gate's outcome with its reason in words."""

    gate: str
    outcome: Outcome
    reason: str


@dataclass(frozen=True)
class Control:
    """A model whose right verdict is known beforehand, judged beside the candidate."""

    name: str
    expected: str
    outcome: str

    @property
    def kept(self) -> bool:
        """Whether the gate said of the control what it had to say."""
        return self.expected == self.outcome


class Decision(StrEnum):
    """All verdicts together."""

    RELEASED = "released"
    REFUSED = "refused"
    INCONCLUSIVE = "inconclusive"
    PURGE = "purge"
    """No training example was touched, so that nothing had to be unlearned."""
    AWAITING = "awaiting_approval"
    """Of a run: the policy sends it to a person, who has not answered yet."""
