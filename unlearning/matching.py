"""Which holdout examples a forget set may be compared with: those that are as hard.

A retrained network is not a shadow: it has other training examples, and more of them, so that its
confidence differs from theirs, and by more on hard examples than on easy ones. Where the forget set
is as mixed as the holdout set this falls on both alike. Where it was chosen, as the most memorised
examples are, an honest retrain stands out unless it is compared with equally hard strangers.
"""

from __future__ import annotations

import numpy as np

from unlearning.domain import BoolArray, FloatArray, IntArray, ShadowOutputs
from unlearning.signals import scaled_confidence

STRATA = 5


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
    """
    cuts = np.quantile(forget, np.linspace(0, 1, strata + 1)[1:-1])
    of_forget, of_holdout = np.digitize(forget, cuts), np.digitize(holdout, cuts)
    wanted = np.bincount(of_forget, minlength=strata)
    present = np.bincount(of_holdout, minlength=strata)
    each = min(has / asked for has, asked in zip(present, wanted, strict=True) if asked)
    chosen = np.zeros(len(holdout), dtype=bool)
    for stratum in range(strata):
        order = np.flatnonzero(of_holdout == stratum)
        chosen[_evenly(order[np.argsort(holdout[order])], int(each * wanted[stratum]))] = True
    return chosen


def _evenly(ordered: IntArray, count: int) -> IntArray:
    """Take so many of an ordered list, at equal distances."""
    return ordered[((np.arange(count) + 0.5) * len(ordered) / max(1, count)).astype(np.int64)]
