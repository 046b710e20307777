"""What attacks read off an output vector, vectorised over any leading axes."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from unlearning.domain import FloatArray, IntArray


def log_confidence(logits: FloatArray, labels: IntArray) -> FloatArray:
    """log p of the true class; logits (..., n, classes), labels (n,), gives (..., n) float64."""
    exact = logits.astype(np.float64)
    return np.asarray(_true(exact, labels) - logsumexp(exact, axis=-1))


def scaled_confidence(logits: FloatArray, labels: IntArray) -> FloatArray:
    """log(p / (1 - p)) of the true class (Carlini et al. 2022, LiRA, section IV-C).

    Computed from the logits, z_y - log sum_{c != y} exp z_c, which loses no precision near p = 1.
    """
    exact = logits.astype(np.float64)
    others = exact.copy()
    index = np.broadcast_to(labels, exact.shape[:-1])[..., None]
    np.put_along_axis(others, index, -np.inf, axis=-1)
    return np.asarray(_true(exact, labels) - logsumexp(others, axis=-1))


def _true(logits: FloatArray, labels: IntArray) -> FloatArray:
    index = np.broadcast_to(labels, logits.shape[:-1])[..., None]
    return np.take_along_axis(logits, index, axis=-1)[..., 0]
