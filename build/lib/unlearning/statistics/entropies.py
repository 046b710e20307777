"""How spread out an answer is, in nats; vectorised over any leading axes."""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax, logsumexp

from unlearning.domain import FloatArray, IntArray


def entropy(logits: FloatArray) -> FloatArray:
    """-sum_c p_c log p_c; logits (..., n, classes), gives (..., n) float64, at most ln classes."""
    log_p = log_softmax(logits.astype(np.float64), axis=-1)
    return np.asarray(-(np.exp(log_p) * log_p).sum(-1))


def modified_entropy(logits: FloatArray, labels: IntArray) -> FloatArray:
    """-(1 - p_y) log p_y - sum_{c != y} p_c log(1 - p_c) (Song and Mittal 2021, Eq. 8).

    logits (..., n, classes), labels (n,), gives (..., n) float64. Unlike entropy it tells a sure
    right answer (near 0) from a sure wrong one (large). The copies of this formula in public
    unlearning code take log p for log(1 - p) and every label's column for every row.
    """
    exact = logits.astype(np.float64)
    log_p = log_softmax(exact, axis=-1)
    log_rest = _log_rest(exact, log_p)
    true = np.broadcast_to(labels, exact.shape[:-1])[..., None]
    each = np.exp(log_p) * log_rest
    own = np.exp(np.take_along_axis(log_rest, true, -1)) * np.take_along_axis(log_p, true, -1)
    np.put_along_axis(each, true, own, axis=-1)
    return np.asarray(-each.sum(-1))


def _log_rest(logits: FloatArray, log_p: FloatArray) -> FloatArray:
    """log(1 - p); for the likeliest class from the others' logits, since there p rounds to 1."""
    top = logits.argmax(-1)[..., None]
    others = logits.copy()
    np.put_along_axis(others, top, -np.inf, axis=-1)
    safe = log_p.copy()
    np.put_along_axis(safe, top, -np.inf, axis=-1)
    rest = np.log1p(-np.exp(safe))
    above = logsumexp(others, axis=-1) - logsumexp(logits, axis=-1)
    np.put_along_axis(rest, top, above[..., None], axis=-1)
    return rest
