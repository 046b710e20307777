"""Which holdout examples a forget set may be compared with: of its classes, and as hard.

A retrained network is not a shadow: it has other training examples, and more of them, so that its
confidence differs from theirs, and by more on hard examples than on easy ones. Where the forget set
is as mixed as the holdout set this falls on both alike. Where it was chosen, as the most memorised
examples are, an honest retrain stands out unless it is compared with equally hard strangers.
"""

from __future__ import annotations

import numpy as np

from unlearning.bank.shadows import Bank
from unlearning.domain import BoolArray, Examples, FloatArray, IntArray, ShadowOutputs
from unlearning.statistics.intervals import auc_interval
from unlearning.statistics.signals import scaled_confidence

STRATA = 5


def comparable(forget: Examples, holdout: Examples, bank: Bank) -> BoolArray:
    """Mask of the holdout examples (m,) that the forget set may be compared with.

    Those of its classes; and where the shadows that never saw them find the forget set harder or
    easier than these, beyond what chance explains (95 %), only as many as are equally hard. Settled
    by the bank alone, before anything is unlearned. All False where there are none.
    """
    alike = np.isin(holdout.labels, np.unique(forget.labels))
    if not alike.any():
        return alike
    others = holdout.take(alike)
    hard, theirs = (difficulty(bank.on(part.ids), part.labels) for part in (forget, others))
    found = auc_interval(hard, theirs, _codes(forget.subjects), _codes(others.subjects))
    if not found.low <= 0.5 <= found.high:
        alike[alike] = equally_hard(hard, theirs)
    return alike


def _codes(subjects: np.ndarray) -> IntArray:
    return np.asarray(np.unique(subjects, return_inverse=True)[1])


def difficulty(shadows: ShadowOutputs, labels: IntArray) -> FloatArray:
    """How sure of each example the shadows are that never saw it, (n,): log(p / (1 - p)), mean.

    Lower is harder. It is known before anything is unlearned, and no candidate has a part in it.
    """
    signals, unseen = scaled_confidence(shadows.logits, labels), ~shadows.seen
    return np.asarray(np.where(unseen, signals, 0).sum(0) / unseen.sum(0))


def equally_hard(forget: FloatArray, holdout: FloatArray, *, strata: int = STRATA) -> BoolArray:
    """Mask of the holdout examples (m,) that make the holdout set as hard as the forget set.

    The forget set's difficulties are cut into so many strata of equal size, and from each as many
    holdout examples are taken, evenly over its range, as the poorest stratum has. So a chosen
    forget set has few that it may be compared with, and limits that ask for more do not apply.
    Who is harder or easier than everyone in the forget set is left out.
    """
    inside = (forget.min() <= holdout) & (holdout <= forget.max())
    cuts = np.quantile(forget, np.linspace(0, 1, strata + 1)[1:-1])
    of_forget, of_holdout = np.digitize(forget, cuts), np.digitize(holdout, cuts)
    wanted = np.bincount(of_forget, minlength=strata)
    present = np.bincount(of_holdout[inside], minlength=strata)
    each = min(has / asked for has, asked in zip(present, wanted, strict=True) if asked)
    chosen = np.zeros(len(holdout), dtype=bool)
    for stratum in range(strata):
        order = np.flatnonzero((of_holdout == stratum) & inside)
        chosen[_evenly(order[np.argsort(holdout[order])], int(each * wanted[stratum]))] = True
    return chosen


def _evenly(ordered: IntArray, count: int) -> IntArray:
    """Take so many of an ordered list, at equal distances."""
    return ordered[((np.arange(count) + 0.5) * len(ordered) / max(1, count)).astype(np.int64)]
