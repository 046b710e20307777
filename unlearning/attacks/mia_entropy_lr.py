"""SFR-on's membership column: a logistic regression on the entropy of the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from unlearning.attacks import ATTACKS
from unlearning.domain import FloatArray, Group, Outputs, ShadowOutputs
from unlearning.errors import UsageError
from unlearning.statistics.entropies import entropy
from unlearning.statistics.finite import finite

STRENGTH = 2.0
"""C of the regression. The published code (evaluation/mia.py at commit 36bb7f6) leaves it at 1, but
asks for the multinomial form: a row of coefficients for each of the two classes, both penalised.
Log-odds of b are then halves, b / 2 and -b / 2, and cost |b|^2 / 4 instead of the |b|^2 / 2 of one
row, which since scikit-learn 1.8 is all that two classes get. One row at C = 2 is the same fit."""


@ATTACKS.register
@dataclass(frozen=True, kw_only=True)
class MiaEntropyLr:
    """Learn from the target's own entropies on retain (member) and test (not) examples.

    Classes are weighted to balance, since there are far more retain than test examples; the penalty
    is the published one, see `STRENGTH`, and all else scikit-learn's default. The score is the
    log-odds of being a member. It is not calibrated per example, and its threshold moves with the
    target.
    """

    name: ClassVar[str] = "mia_entropy_lr"
    paper: ClassVar[str] = "MIA of Huang et al., SFR-on (2024)"
    runs: ClassVar[str] = "benchmark methods"

    def score(self, target: Outputs, shadows: ShadowOutputs) -> FloatArray:
        """Score every example; raises UsageError without retain or test examples.

        An answer that is no number raises AttackFailed: there is nothing to learn from it.
        """
        from sklearn.linear_model import LogisticRegression

        retain, test = target.of(Group.RETAIN), target.of(Group.TEST)
        if not (retain.any() and test.any()):
            raise UsageError(
                f"{self.name}: got {retain.sum()} retain and {test.sum()} test examples, expected "
                "some of both, since it is fitted on them"
            )
        signal = finite(self.name, entropy(target.logits))[:, None]
        fitted = LogisticRegression(C=STRENGTH, class_weight="balanced")
        fitted.fit(signal[retain | test], retain[retain | test])
        return np.asarray(fitted.decision_function(signal))


def member_share(target: Outputs) -> float:
    """Give the share of forget examples that it takes for members, the published column.

    A fraction. The retrained model's is the aim: neither high nor low is good.
    """
    seen = np.zeros((0, len(target.labels)), dtype=bool)
    none = ShadowOutputs(np.zeros((0, *target.logits.shape)), seen)
    scores = MiaEntropyLr().score(target, none)
    return float((scores[target.of(Group.FORGET)] > 0).mean())
