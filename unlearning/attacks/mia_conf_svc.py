"""SalUn's and AMUN's membership column: a support vector machine on one signal of the answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.special import softmax

from unlearning.attacks import ATTACKS
from unlearning.domain import FloatArray, Group, IntArray, Outputs, ShadowOutputs
from unlearning.errors import UsageError
from unlearning.statistics.entropies import entropy, modified_entropy
from unlearning.statistics.finite import finite
from unlearning.statistics.signals import log_confidence

if TYPE_CHECKING:
    from sklearn.svm import SVC

SIGNALS: dict[str, Callable[[FloatArray, IntArray], FloatArray]] = {
    "confidence": lambda logits, labels: np.exp(log_confidence(logits, labels)),
    "correctness": lambda logits, labels: logits.argmax(1) == labels,
    "entropy": lambda logits, labels: entropy(logits),
    "m_entropy": modified_entropy,
    "prob": lambda logits, labels: softmax(logits.astype(np.float64), axis=1),
}
"""What the machine may look at: one number an example, or, for `prob`, one a class."""


@ATTACKS.register
@dataclass(frozen=True, kw_only=True)
class MiaConfSvc:
    """Learn from the target's own answers: members are the first retain examples, as many as tests.

    signal: `confidence` of the true class, as published; `correctness`, `entropy`, `m_entropy` and
    `prob` are the other variants of SalUn's code. penalty: C of the machine; its kernel is the
    radial one with gamma = 1 / number of features. The score is the machine's decision.
    """

    name: ClassVar[str] = "mia_conf_svc"
    paper: ClassVar[str] = "MIA of Fan et al., SalUn (2024); MIS of AMUN (2025)"
    runs: ClassVar[str] = "benchmark methods"

    signal: str = "confidence"
    penalty: float = 3.0

    def __post_init__(self) -> None:
        """Refuse a signal that is not known."""
        if self.signal not in SIGNALS:
            raise UsageError(
                f"{self.name}.signal: got {self.signal!r}, expected one of {', '.join(SIGNALS)}"
            )

    def score(self, target: Outputs, shadows: ShadowOutputs) -> FloatArray:
        """Score every example; raises UsageError without retain or test examples.

        An answer that is no number raises AttackFailed: there is nothing to learn from it.
        """
        signal = self._signal(target)
        return np.asarray(self._fit(target, signal).decision_function(signal))

    def non_member_share(self, target: Outputs) -> float:
        """Give the share of forget examples that it takes for non-members, the published column.

        A fraction. The retrained model's is the aim, of which the original's falls short.
        """
        signal = self._signal(target)
        members = self._fit(target, signal).predict(signal[target.of(Group.FORGET)])
        return float(1 - members.mean())

    def _signal(self, target: Outputs) -> FloatArray:
        found = SIGNALS[self.signal](target.logits, target.labels).astype(np.float64)
        return finite(self.name, found).reshape(len(target.labels), -1)

    def _fit(self, target: Outputs, signal: FloatArray) -> SVC:
        from sklearn.svm import SVC

        test = np.flatnonzero(target.of(Group.TEST))
        members = np.flatnonzero(target.of(Group.RETAIN))[: len(test)]
        if not (len(members) and len(test)):
            raise UsageError(
                f"{self.name}: got {len(members)} retain and {len(test)} test examples, expected "
                "some of both, since it is fitted on them"
            )
        seen = np.repeat([1, 0], [len(members), len(test)])
        machine = SVC(C=self.penalty, gamma="auto", kernel="rbf")
        return machine.fit(signal[np.concatenate([members, test])], seen)
