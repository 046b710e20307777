"""What is measured beside, where a class is a style: what is left of it, and the digits."""

from __future__ import annotations

import numpy as np
from torch import nn

from benchmarks.generation.grounds import CLASSES
from unlearning.domain import Examples, FloatArray, Measurement
from unlearning.generation.measures import bounded_mean, probabilities, share
from unlearning.outputs import logits_of

NEAREST, LEGIBLE, SURE = "nearest", "legible", "sure"


def nearest(logits: FloatArray, label: int, classes: int) -> Measurement:
    """Give the share of a class's pictures that are taken for it where "none" may not be said.

    logits: (n, classes + 1). A pale picture of a style is none of the styles, and yet of no other.
    """
    hits = int((logits[:, :classes].argmax(1) == label).sum())
    return share(NEAREST, hits, len(logits))


def legibility(reader: nn.Module, drawn: Examples) -> dict[str, Measurement]:
    """Ask a frozen classifier of ten digits and "none of these" about pictures.

    legible: the share that is taken for some digit; sure: the mean probability of the likeliest
    digit. No digit was asked for, so that none can be said to be the right one.
    """
    logits = logits_of(reader, drawn).astype(np.float64)
    digits = int((logits.argmax(1) < CLASSES).sum())
    likeliest = probabilities(logits)[:, :CLASSES].max(1)
    return {LEGIBLE: share(LEGIBLE, digits, len(drawn)), SURE: bounded_mean(SURE, likeliest)}
