"""What the forgetting gate allows, by the number of examples."""

from __future__ import annotations

from dataclasses import dataclass

from unlearning.errors import PolicyError
from unlearning.statistics.levels import FPRS


@dataclass(frozen=True, kw_only=True)
class Limit:
    """What is allowed with so many examples.

    examples, holdout: at least so many forget and comparable holdout examples. auc: the AUC must
    lie in [1 - auc, auc]. tail: the true-positive rate of each tail at false-positive rate fpr.
    """

    examples: int
    holdout: int
    auc: float
    tail: float
    fpr: float

    def __post_init__(self) -> None:
        """Refuse limits that mean nothing."""
        if not (0.5 < self.auc < 1 and self.fpr < self.tail < 1 and self.fpr in FPRS):
            raise PolicyError(
                f"gates.forgetting.limits: got auc {self.auc}, tail {self.tail}, fpr {self.fpr}; "
                f"expected 0.5 < auc < 1, fpr < tail < 1 and fpr one of {FPRS}"
            )

    def as_loose_as(self, other: Limit) -> bool:
        """Say whether whoever `other` applies to could pass by this too, and more easily.

        Were it not so, tightening one number could hand a candidate over to a looser limit.
        """
        applies = self.examples <= other.examples and self.holdout <= other.holdout
        return applies and self.auc >= other.auc and self.tail >= other.tail
