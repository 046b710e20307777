"""The published columns: what a candidate answers, and how far that is from a retrained model.

Papers print percentages; everything here is a fraction, or nats. Nothing here decides.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import softmax

from unlearning.attacks.mia_conf_svc import MiaConfSvc
from unlearning.attacks.mia_entropy_lr import member_share
from unlearning.domain import BoolArray, FloatArray, Group, Outputs

AVERAGED = ("FA", "RA", "TA", "mia_entropy_lr")
"""The columns whose gaps SFR-on averages."""

EPSILON = 1e-20
"""Added to probabilities under a logarithm, as in SFR-on's code."""


def columns(outputs: Outputs, forgotten: BoolArray) -> dict[str, float]:
    """Give the columns of one model.

    forgotten: (n,), the test examples that are of a forgotten class or sub-class. TA leaves them
    out, since a retrained model cannot know them, and `forget_valid` is the accuracy on them; it is
    missing where there are none. FA, RA: accuracy on forget and retain examples.
    """
    test = outputs.of(Group.TEST)
    found = {
        "FA": _accuracy(outputs, outputs.of(Group.FORGET)),
        "RA": _accuracy(outputs, outputs.of(Group.RETAIN)),
        "TA": _accuracy(outputs, test & ~forgotten),
    }
    if (test & forgotten).any():
        found["forget_valid"] = _accuracy(outputs, test & forgotten)
    found["mia_entropy_lr"] = member_share(outputs)
    found["mia_conf_svc"] = MiaConfSvc().non_member_share(outputs)
    return found


def _accuracy(outputs: Outputs, where: BoolArray) -> float:
    return float((outputs.logits[where].argmax(1) == outputs.labels[where]).mean())


def divergences(candidate: Outputs, retrained: Outputs) -> dict[str, float]:
    """Give D_KL and JS between two models' answers, means over the forget set, in nats.

    D_KL is KL(retrained || candidate), the retrained model first, as SFR-on prints it.
    """
    p = softmax(retrained.logits[retrained.of(Group.FORGET)].astype(np.float64), axis=1)
    q = softmax(candidate.logits[candidate.of(Group.FORGET)].astype(np.float64), axis=1)
    middle = (p + q) / 2
    shannon = (_divergence(p, middle) + _divergence(q, middle)) / 2
    return {"D_KL": float(_divergence(p, q).mean()), "JS": float(shannon.mean())}


def _divergence(p: FloatArray, q: FloatArray) -> FloatArray:
    """KL(p || q) of each row of probabilities (n, classes), (n,)."""
    return np.asarray((p * (np.log(p + EPSILON) - np.log(q + EPSILON))).sum(1))


def gaps(candidate: Mapping[str, float], retrained: Mapping[str, float]) -> dict[str, float]:
    """Give each column's distance from the retrained model's, and SFR-on's average of four.

    The average hides failures (a model that forgets nothing may have the best one), so that the
    single ones always stand beside it.
    """
    each = {f"gap {name}": abs(candidate[name] - retrained[name]) for name in retrained}
    average = sum(each[f"gap {name}"] for name in AVERAGED) / len(AVERAGED)
    return {**each, "average gap": average}
