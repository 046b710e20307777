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
from unlearning.measuring import Scores


@dataclass(frozen=True, kw_only=True)
class Collateral:
    """How an attack's scores of sets of people change from one model to the next.

    Removing some examples can expose others (Hayes et al. 2024; the onion effect of Carlini et al.
    2022 is that retraining does it too, so measure a retrained model beside the candidate), and an
    unlearning method can undo an earlier one. It needs outputs of both models and of the shadows on
    the same examples: the sets' and holdout ones. An earlier erased set can be measured only while
    someone may still hold it, since the purge takes its examples and its columns in the bank.

    - collateral_auc/SET: the attack's AUC of the set against holdout examples, after.
    - collateral_change/SET: that AUC less the one before. Above 0 for those who stay: they are
      easier to find; above 0 for an earlier erased set: it is coming back.
    - collateral_raised/SET: share of the set that the attack finds, at false-positive rate `fpr`,
      after and did not find before. collateral_null: the same of holdout examples.

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
        """Measure each set, a mask (n,) by name, such as {"stay": before.of(Group.RETAIN)}."""
        holdout = before.of(Group.HOLDOUT)
        empty = [name for name, of in {**sets, "holdout": holdout}.items() if not of.any()]
        if empty:
            raise UsageError(f"collateral: got no examples of {empty[0]!r}, expected some")
        attack = ATTACKS.create(self.attack)
        first, second = (attack.score(outputs, shadows) for outputs in (before, after))
        newly = self._found(second, holdout) & ~self._found(first, holdout)
        found: list[Measurement] = []
        for name, of in sets.items():
            scores = [_scores(s, of, holdout, before) for s in (first, second)]
            found += _changes(name, *scores)
            found.append(share(f"collateral_raised/{name}", newly[of].astype(np.float64)))
        return [*found, share("collateral_null", newly[holdout].astype(np.float64))]

    def _found(self, scores: FloatArray, holdout: BoolArray) -> BoolArray:
        """Mask of the examples whose score lies above all but a share `fpr` of the holdout's."""
        ordered = np.sort(scores[holdout])[::-1]
        return np.asarray(scores > ordered[min(len(ordered) - 1, int(self.fpr * len(ordered)))])


def _scores(scores: FloatArray, of: BoolArray, holdout: BoolArray, outputs: Outputs) -> Scores:
    return Scores(scores[of], scores[holdout], outputs.subjects[of], outputs.subjects[holdout])


def _changes(name: str, before: Scores, after: Scores) -> Iterator[Measurement]:
    n = len(after.forget)
    yield measured(f"collateral_auc/{name}", after.interval(), n)
    yield measured(f"collateral_change/{name}", auc_change([before], [after]), n)
