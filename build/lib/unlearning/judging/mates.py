"""Whether a forget set is a batch of people who go together, or as good as a random draw.

Shadows that never saw a person of a batch saw some of their mates, whoever looks like them: taken
at the same place, in the same light. A network retrained without the batch saw none, and finds them
harder than the shadows foretell. Strangers lose no mates by it, so that it seems to avoid the
batch. What tells a batch is who is near whom in the untouched network's features.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional

from unlearning.domain import Examples, FloatArray, IntArray, Measurement, Split
from unlearning.features import features_of, flat
from unlearning.judging.trial import within
from unlearning.statistics.intervals import LEVEL, NOTHING, Interval, variance_of_mean

MATES = 10
"""Nearest training examples of other people that are looked at."""

ASKED, POOL = 2000, 5000
"""Examples of which mates are sought, at most, on either side; retained ones among which."""

CELLS = 4
"""A layer's picture is averaged to so many cells a side: where something is matters, roughly."""


def erased_mates(network: nn.Module, split: Split) -> Measurement:
    """Give by how much more of the forget examples' mates are forgotten than of strangers' mates.

    A share, near 0 for a random draw: the mean over forget examples less that over holdout examples
    of their classes, with a 95 % interval by people. Retained examples that are drawn for the pool
    count for those that are not. n: forget examples that were asked about.
    """
    rng = np.random.default_rng(0)
    strangers = split.holdout.take(np.isin(split.holdout.labels, np.unique(split.forget.labels)))
    forget, strangers = (_some(part, ASKED, rng) for part in (split.forget, strangers))
    retain = _some(split.retain, POOL, rng)
    if not (len(forget) and len(strangers) and len(retain)):
        return within("erased_mates", NOTHING, len(forget))
    weights = np.repeat(
        [len(split.forget) / len(forget), len(split.retain) / len(retain)],
        [len(forget), len(retain)],
    )
    layer = _middle(network)  # the last ones know little but the class
    parts = [features_of(network, part, layer, _pooled) for part in (forget, retain, strangers)]
    pool = np.concatenate(parts[:2])
    middle, deviation = pool.mean(0), pool.std(0) + 1e-6
    people = np.concatenate([forget.subjects, retain.subjects])
    seek = _Seek((pool - middle) / deviation, people, weights, len(forget))
    shares = [
        seek.shares((features - middle) / deviation, asked.subjects)
        for features, asked in ((parts[0], forget), (parts[2], strangers))
    ]
    return within("erased_mates", _difference(shares, (forget, strangers)), len(forget))


def _some(examples: Examples, count: int, rng: np.random.Generator) -> Examples:
    return examples.take(np.sort(rng.permutation(len(examples))[:count]))


def _middle(network: nn.Module) -> str:
    """Name the middle one of the layers that weigh their input, the last one aside."""
    layers = network.named_modules()
    weighing = [str(name) for name, m in layers if isinstance(m, nn.Conv2d | nn.Linear)]
    return weighing[(len(weighing) - 1) // 2]


def _pooled(values: Tensor) -> Tensor:
    if values.ndim == 4 and max(values.shape[2:]) > CELLS:
        values = functional.adaptive_avg_pool2d(values, CELLS)
    return flat(values)


class _Seek:
    """Looks for mates in a pool whose first `forgotten` examples are to be forgotten."""

    def __init__(
        self, pool: FloatArray, people: np.ndarray, weights: FloatArray, forgotten: int
    ) -> None:
        self.pool, self.people, self.weights = torch.from_numpy(pool), people, weights
        self.gone = np.arange(len(pool)) < forgotten

    def shares(self, features: FloatArray, people: np.ndarray) -> FloatArray:
        """Give the share of each example's mates that is to be forgotten, (n,)."""
        return np.concatenate(list(self._shares(features, people)))

    def _shares(self, features: FloatArray, people: np.ndarray) -> Iterator[FloatArray]:
        for start in range(0, len(features), 500):
            some = slice(start, start + 500)
            far = torch.cdist(torch.from_numpy(features[some]), self.pool).numpy()
            far[people[some][:, None] == self.people] = np.inf
            count = min(MATES, far.shape[1])
            near = np.argpartition(far, count - 1, axis=1)[:, :count]
            weights = self.weights[near] * np.isfinite(np.take_along_axis(far, near, 1))
            whole = weights.sum(1)
            gone = (weights * self.gone[near]).sum(1)
            yield np.divide(gone, whole, out=np.zeros(len(gone)), where=whole > 0)


def _difference(shares: list[FloatArray], of: tuple[Examples, Examples]) -> Interval:
    value = float(shares[0].mean() - shares[1].mean())
    codes: list[IntArray] = [np.unique(part.subjects, return_inverse=True)[1] for part in of]
    if min(len(np.unique(code)) for code in codes) < 2:
        return NOTHING  # one person has no mates among the forgotten
    variance = sum(variance_of_mean(*pair) for pair in zip(shares, codes, strict=True))
    reach = float(stats.norm.ppf(0.5 + LEVEL / 2) * np.sqrt(variance))
    return Interval(value, value - reach, value + reach)
