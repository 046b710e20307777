"""Choosing forget sets: by how well they are memorised, by likeness.

Each function gives a mask over the examples, (n,), or the scores that a mask is made from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from unlearning.domain import BoolArray, ByteArray, FloatArray, IntArray, ShadowOutputs, TextArray
from unlearning.errors import UsageError
from unlearning.statistics.signals import log_confidence
from unlearning.stored import Lazy

VectorsOf = Callable[[Any], FloatArray]

BLOCK = 1000
"""Examples that are compared with the chosen ones at once."""

THUMBNAIL = 16
"""Pixels a side to which images are brought before they are compared."""

ALIKE, ALIKE_IF_SMALL = 0.95, 0.98
"""Cosine of pixel vectors from which two images count as near-duplicates.

Of 10,000 training images of CIFAR-10, .37 % have a neighbour at .95; five such pairs were looked at
and show one photograph each, while at .94 there are other planes and other ships. Images smaller
than thumbnails need more, since a few strokes are alike by chance: of 1,100 digits of 8 x 8 pixels
36 % have a neighbour at .95, and 1.6 % at .98.
"""


def draw_people(
    subjects: TextArray, free: BoolArray, wanted: float, rng: np.random.Generator
) -> BoolArray:
    """Mask of whole people, (n,), in an order drawn by `rng`, until `wanted` examples are reached.

    free: (n,) examples whose people may be drawn; only these are counted.
    """
    people, counts = np.unique(subjects[free], return_counts=True)
    order = rng.permutation(len(people))
    last = int(np.searchsorted(np.cumsum(counts[order]), wanted)) + 1
    return np.isin(subjects, people[order[:last]])


def memorisation(shadows: ShadowOutputs, labels: IntArray) -> FloatArray:
    """How much surer of an example are the shadows that saw it than those that did not, (n,).

    The mean probability of the true class over the first, minus that over the others (Feldman and
    Zhang 2020, Eq. 1, whose 0/1 correctness needs far more models). Raises UsageError if all
    shadows, or none, saw an example.
    """
    count = shadows.seen.sum(0)
    if len(count) and (count.min() < 1 or count.max() == len(shadows)):
        raise UsageError(
            "memorisation: all shadows or none saw an example, expected some of each; compare "
            "training examples by a bank of halves"
        )
    sure = np.exp(log_confidence(shadows.logits, labels))
    seen = np.where(shadows.seen, sure, 0).sum(0) / count
    unseen = np.where(shadows.seen, 0, sure).sum(0) / (len(shadows) - count)
    return np.asarray(seen - unseen)


def near_duplicates(vectors: FloatArray, chosen: BoolArray, *, threshold: float) -> BoolArray:
    """Mask of the examples that are like one of the chosen, other than themselves.

    vectors: (n, d), of pixels or of features. Alike are two of which the cosine is at least
    `threshold`; a vector of zeros is like none.
    """
    return _alike(vectors, lambda some: some, chosen, threshold)


def alike_pictures(images: ByteArray | Lazy, chosen: BoolArray, *, threshold: float) -> BoolArray:
    """Mask of the images that are like one of the chosen, as `near_duplicates` of their pixels.

    A block of them is in memory at a time.
    """
    return _alike(images, pixel_vectors, chosen, threshold)


def _alike(rows: Any, vectors_of: VectorsOf, chosen: BoolArray, threshold: float) -> BoolArray:
    among, found = np.flatnonzero(chosen), np.zeros(len(chosen), dtype=bool)
    if not len(among):
        return found
    wanted = _units(vectors_of(rows[among]))
    for start in range(0, len(chosen), BLOCK):
        cosines = _units(vectors_of(rows[start : start + BLOCK])) @ wanted.T
        own = np.flatnonzero((among >= start) & (among < start + BLOCK))
        cosines[among[own] - start, own] = -np.inf
        found[start : start + BLOCK] = cosines.max(1) >= threshold
    return found


def _units(vectors: FloatArray) -> FloatArray:
    size = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(np.divide(vectors, size, out=np.zeros_like(vectors), where=size > 0))


def likeness_threshold(images: ByteArray | Lazy) -> float:
    """Give the cosine of `pixel_vectors` from which such images count as near-duplicates."""
    return ALIKE if images.shape[-1] >= THUMBNAIL else ALIKE_IF_SMALL


def pixel_vectors(images: ByteArray) -> FloatArray:
    """Images (n, channels, height, width) as small vectors about their own mean, (n, d) float32.

    Averaged to at most 16 pixels a side: near-duplicates differ by noise, compression and single
    pixels. About the mean, since otherwise all bright images are alike.
    """
    step = max(1, images.shape[-1] // THUMBNAIL)
    side = images.shape[-1] // step
    cut = images[:, :, : side * step, : side * step]
    shape = (*images.shape[:2], side, step, side, step)
    small = cut.reshape(shape).mean((3, 5), dtype=np.float32).reshape(len(images), -1)
    return np.asarray(small - small.mean(1, keepdims=True))
