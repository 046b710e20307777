"""The attack of whoever holds both models, before and after: whose deletion made the difference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from unlearning.audits.changes import auc_change, measured, widened
from unlearning.domain import BoolArray, FloatArray, Group, Measurement, Outputs
from unlearning.errors import UsageError
from unlearning.judging.measuring import Scores
from unlearning.statistics.signals import scaled_confidence


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Tell who was deleted by the drop of confidence from one model to the next.

    The score is log(p / (1 - p)) of the true class before less after. It needs outputs only: of the
    original and the candidate, and, for the gaps, of retrained models. A release replaces a model
    that others may have copied, so this attacker is real; honest retraining gives the deleted away
    as well (Chen et al. 2021), and only what it does not give away is the method's fault.

    - pair_auc/retain: forget against retain examples of the same classes: who of the members was
      deleted. Not measured where no retain example is of a forgotten class.
    - pair_auc/holdout: forget against holdout examples of the same classes.
    - pair_gap/...: the AUC less that of retrained models in the candidate's place, their mean.
      Intervals as those of `probes`.
    """

    name: ClassVar[str] = "pairs"
    paper: ClassVar[str] = "Chen et al. 2021, When Machine Unlearning Jeopardizes Privacy"

    def measure(
        self, before: Outputs, after: Outputs, retrained: Sequence[Outputs] = ()
    ) -> list[Measurement]:
        """Measure; all outputs are on the same examples. Raises UsageError if none compare."""
        groups = {g: w for g in (Group.RETAIN, Group.HOLDOUT) if (w := comparable(before, g)).any()}
        if not groups or not before.of(Group.FORGET).any():
            raise UsageError(
                "pairs: got no forget examples, or no retain or holdout examples of their classes; "
                "expected both"
            )
        return [
            measurement
            for group, others in groups.items()
            for measurement in _measurements(group.name.lower(), before, after, retrained, others)
        ]


def comparable(outputs: Outputs, group: Group) -> BoolArray:
    """Mask of a group's examples that are of a class of the forget set, (n,)."""
    forgotten = outputs.labels[outputs.of(Group.FORGET)]
    return np.asarray(outputs.of(group) & np.isin(outputs.labels, forgotten))


def drop(before: Outputs, after: Outputs) -> FloatArray:
    """Give how much confidence each example lost, (n,)."""
    first, second = (scaled_confidence(o.logits, o.labels) for o in (before, after))
    return np.asarray(first - second)


def _measurements(
    name: str,
    before: Outputs,
    after: Outputs,
    retrained: Sequence[Outputs],
    others: BoolArray,
) -> Iterator[Measurement]:
    found = _scores(drop(before, after), before, others)
    n = len(found.forget)
    yield measured(f"pair_auc/{name}", found.interval(), n)
    if retrained:
        honest = [_scores(drop(before, model), before, others) for model in retrained]
        aucs = [model.interval().value for model in honest]
        yield measured(f"pair_gap/{name}", widened(auc_change(honest, [found]), aucs), n)


def _scores(scores: FloatArray, outputs: Outputs, others: BoolArray) -> Scores:
    forget, who = outputs.of(Group.FORGET), outputs.subjects
    return Scores(scores[forget], scores[others], who[forget], who[others])
