"""What a deletion does to others: those who stay, and those who were erased before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from unlearning.attacks import ATTACKS
from unlearning.audits.changes import auc_change, measured, share
from unlearning.domain import BoolArray, FloatArray, Group, Measurement, Outputs, ShadowOutputs
from unlearning.errors import UsageError
from unlearning.judging.measuring import Scores
from unlearning.statistics.finite import finite


@dataclass(frozen=True, kw_only=True)
class Collateral:
    """How an attack's scores of sets of people change from one model to the next.

    Removing some examples can expose others (Hayes et al. 2024; the onion effect of Carlini et al.
    2022 is that retraining does it too, so measure a retrained model beside the candidate), and an
    unlearning method can undo an earlier one. It needs outputs of both models and of the shadows on
    the same examples: each set's, and holdout examples of the same classes, which it is compared
    with. An earlier erased set can be measured only while someone may still hold it, since the
    purge takes its examples and its columns in the bank.

    - collateral_auc/SET: the attack's AUC of the set against holdout examples, after.
    - collateral_change/SET: that AUC less the one before. Above 0 for those who stay: they are
      easier to find; above 0 for an earlier erased set: it is coming back.
    - collateral_raised/SET: share of the set that the attack finds, at false-positive rate `fpr`,
      after and did not find before. collateral_null/SET: the same of holdout examples.

    attack: a name of ATTACKS. fpr: a fraction.
    """

    name: ClassVar[str] = "collateral"
    paper: ClassVar[str] = "Hayes et al. 2024, Inexact Unlearning Needs More Careful Evaluations"

    attack: str = "lira_offline"
    fpr: float = 0.01

    def measure(
        self,
        before: Outputs,
        after: Outputs,
        shadows: ShadowOutputs,
        sets: Mapping[str, BoolArray],
    ) -> list[Measurement]:
        """Measure each set, a mask (n,) by name, such as {"stay": before.of(Group.RETAIN)}.

        Scores that are not finite raise AttackFailed.
        """
        attack = ATTACKS.create(self.attack)
        scores = [finite(self.attack, attack.score(of, shadows)) for of in (before, after)]
        found: list[Measurement] = []
        for name, of in sets.items():
            others = before.of(Group.HOLDOUT) & np.isin(before.labels, before.labels[of])
            if not (of.any() and others.any()):
                raise UsageError(
                    f"collateral: got {of.sum()} examples of {name!r} and {others.sum()} holdout "
                    "examples of their classes, expected some of each"
                )
            pair = [_scores(each, of, others, before) for each in scores]
            found += self._changes(name, pair[0], pair[1])
        return found

    def _changes(self, name: str, before: Scores, after: Scores) -> Iterator[Measurement]:
        n = len(after.forget)
        yield measured(f"collateral_auc/{name}", after.interval(), n)
        yield measured(f"collateral_change/{name}", auc_change([before], [after]), n)
        first, second = (_threshold(scores.holdout, self.fpr) for scores in (before, after))
        raised = (after.forget > second) & (before.forget <= first)
        yield share(f"collateral_raised/{name}", raised.astype(np.float64))
        null = (after.holdout > second) & (before.holdout <= first)
        yield share(f"collateral_null/{name}", null.astype(np.float64))


def _threshold(others: FloatArray, fpr: float) -> float:
    """Give the score above which a share `fpr` of the others lies, at most."""
    ordered = np.sort(others)[::-1]
    return float(ordered[min(len(ordered) - 1, int(fpr * len(ordered)))])


def _scores(scores: FloatArray, of: BoolArray, others: BoolArray, outputs: Outputs) -> Scores:
    return Scores(scores[of], scores[others], outputs.subjects[of], outputs.subjects[others])
