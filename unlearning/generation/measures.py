"""What a classifier says of drawn pictures: how many show the class, and how good the rest are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy import stats
from torch import nn

from unlearning.domain import Examples, FloatArray, IntArray, Measurement
from unlearning.errors import UsageError
from unlearning.features import features_of
from unlearning.gates.generated import ENTROPY as ENTROPY
from unlearning.gates.generated import FA as FA
from unlearning.gates.generated import FD as FD
from unlearning.gates.generated import PROBABILITY as PROBABILITY
from unlearning.gates.generated import RA as RA
from unlearning.gates.generated import TV as TV
from unlearning.generation.generators import Generator
from unlearning.generation.sampling import (
    PLAIN,
    Sampler,
    Told,
    as_one,
    sampled,
    steps_of,
    untold,
)
from unlearning.outputs import logits_of
from unlearning.statistics.entropies import entropy
from unlearning.statistics.intervals import LEVEL, Interval, clopper_pearson

RESAMPLES = 100


@dataclass(frozen=True, eq=False)
class Evidence:
    """What was measured of one generator.

    measured: by name; FA, the share of the class's pictures that are taken for it; p, their mean
    probability of it; entropy, the mean of the classifier's answers, in nats; RA, the share of the
    other classes' pictures that are taken for what was asked; FD, their distance from real ones.
    histogram: how many of the class's pictures are taken for each class, (classes,). recovered: FA
    after each attack, by its name.
    """

    measured: Mapping[str, Measurement]
    histogram: IntArray
    recovered: Mapping[str, Measurement] = field(default_factory=dict)


def share(name: str, hits: int, n: int, level: float = LEVEL) -> Measurement:
    """Give a share with its exact binomial interval."""
    return _named(name, clopper_pearson(hits, n, level), n)


def bounded_mean(
    name: str, values: FloatArray, top: float = 1.0, level: float = LEVEL
) -> Measurement:
    """Give the mean of numbers between 0 and `top`, with the exact interval of a share of it.

    Of all such numbers none vary more than those that are 0 or `top`, so that it is never too
    narrow; the normal interval is, where nearly all are 0.
    """
    n, value = len(values), float(np.mean(values))
    around = clopper_pearson(n * value / top, n, level)
    return Measurement(name, value, top * around.low, top * around.high, n)


def _named(name: str, interval: Interval, n: int) -> Measurement:
    return Measurement(name, interval.value, interval.low, interval.high, n)


def class_measures(logits: FloatArray, label: int, level: float = LEVEL) -> dict[str, Measurement]:
    """Measure pictures that were drawn of the class to forget, by a classifier's logits (n, k)."""
    logits = logits.astype(np.float64)
    n, most = len(logits), float(np.log(logits.shape[1]))
    return {
        FA: share(FA, int((logits.argmax(1) == label).sum()), n, level),
        PROBABILITY: bounded_mean(PROBABILITY, probabilities(logits)[:, label], level=level),
        ENTROPY: bounded_mean(ENTROPY, entropy(logits), most, level),
    }


def probabilities(logits: FloatArray) -> FloatArray:
    """Give the softmax of logits (n, k)."""
    raised = np.exp(logits - logits.max(1, keepdims=True))
    found: FloatArray = raised / raised.sum(1, keepdims=True)
    return found


def histogram(logits: FloatArray) -> IntArray:
    """Count what pictures are taken for, (k,)."""
    return np.bincount(logits.argmax(1), minlength=logits.shape[1])


def frechet(one: FloatArray, other: FloatArray) -> float:
    """Give the Frechet distance of two sets of features (n, d), each taken for a Gaussian.

    On a classifier's own features, and so no FID, whose features are an Inception network's: it is
    comparable between generators that the same classifier judged, and with nothing else.
    """
    means = [part.mean(0) for part in (one, other)]
    spreads = [np.cov(part, rowvar=False).astype(np.float64) for part in (one, other)]
    apart = float(np.sum((means[0] - means[1]) ** 2))
    root = _root(spreads[1])
    both = np.linalg.eigvalsh(root @ spreads[0] @ root).clip(0)
    return apart + float(np.trace(spreads[0]) + np.trace(spreads[1]) - 2 * np.sqrt(both).sum())


def _root(matrix: FloatArray) -> FloatArray:
    """Give the square root of a symmetric matrix without negative eigenvalues."""
    values, vectors = np.linalg.eigh(matrix)
    found: FloatArray = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    return found


def distance(drawn: FloatArray, real: FloatArray, rng: np.random.Generator) -> Measurement:
    """Give the Frechet distance with the normal interval of resampled drawn pictures.

    A resampled set repeats pictures and lies farther, so that only the spread is taken of it.
    """
    value, n = frechet(drawn, real), len(drawn)
    again = [frechet(drawn[rng.integers(0, n, n)], real) for _ in range(RESAMPLES)]
    reach = 1.96 * float(np.std(again, ddof=1))
    return Measurement(FD, value, value - reach, value + reach, n)


def total_variation(one: IntArray, others: Sequence[IntArray]) -> float:
    """Give the mean total variation between a histogram and each of others."""
    own = one / one.sum()
    apart = [0.5 * np.abs(own - other / other.sum()).sum() for other in others]
    return float(np.mean(apart))


def variation(
    one: IntArray,
    others: Sequence[IntArray],
    rng: np.random.Generator,
    level: float = LEVEL,
) -> Measurement:
    """Give `total_variation` with the normal interval of resampled pictures of the first.

    It is no narrower than that of a share: where all pictures are taken for one class, resampling
    knows of no other.
    """
    value, n = total_variation(one, others), int(one.sum())
    again = rng.multinomial(n, one / n, size=RESAMPLES)
    spread = float(np.std([total_variation(other, others) for other in again], ddof=1))
    reach = float(stats.norm.ppf(0.5 + level / 2)) * spread
    around = clopper_pearson(min(value, 1.0) * n, n, level)
    return Measurement(
        TV, value, min(value - reach, around.low), max(value + reach, around.high), n
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Bench:
    """What generators are measured by: one classifier, real pictures, and one way of drawing.

    judge: a classifier of pixels, trained on real pictures of all classes. real: pictures of the
    classes that stay. label: the class to forget; None where no class goes whole, and nothing is
    drawn of any. pictures: drawn of it; each: of every other. seed: of the noise that is drawn
    from, the same for every generator. level: of the intervals of what is said of that class.
    """

    judge: nn.Module
    real: Examples
    label: int | None
    classes: int
    sampler: Sampler = PLAIN
    pictures: int = 100
    each: int = 30
    seed: int = 0
    level: float = LEVEL

    @property
    def own_steps(self) -> int:
        """Steps in which the class is drawn; 0 where none is."""
        return 0 if self.label is None else steps_of(self.pictures, self.sampler)

    @property
    def rest_steps(self) -> int:
        """Steps in which the others are drawn."""
        return steps_of(self.each * len(self._others()), self.sampler)

    @property
    def steps(self) -> int:
        """Steps of drawing in which a generator is measured."""
        return self.own_steps + self.rest_steps

    def own(
        self, network: Generator, sampler: Sampler | None = None, told: Told = untold
    ) -> FloatArray:
        """Draw pictures of the class and give the judge's logits, (pictures, its classes)."""
        return logits_of(self.judge, self.of_class(network, sampler, told))

    def of_class(
        self, network: Generator, sampler: Sampler | None = None, told: Told = untold
    ) -> Examples:
        """Draw pictures of the class to forget; UsageError where there is none."""
        if self.label is None:
            raise UsageError("bench: got no class to draw, expected the one that is forgotten")
        labels = torch.full((self.pictures,), self.label)
        return sampled(network, labels, sampler or self.sampler, self._chance(), told)

    def rest(self, network: Generator, told: Told = untold) -> Examples:
        """Draw pictures of every other class that there are real ones of."""
        labels = torch.from_numpy(self._others()).repeat_interleave(self.each)
        return sampled(network, labels, self.sampler, self._chance(), told)

    def measured(self, network: Generator, told: Told = untold) -> Evidence:
        """Measure a generator; recoveries are measured by `recovery.recovered`."""
        with as_one(told, self.steps) as one:
            rest = self._rest(network, one)
            if self.label is None:
                return Evidence(rest, np.zeros(self.classes, dtype=np.int64))
            logits = self.own(network, told=one)
        own = class_measures(logits, self.label, self.level)
        return Evidence({**own, **rest}, histogram(logits))

    def _rest(self, network: Generator, told: Told) -> dict[str, Measurement]:
        rest = self.rest(network, told)
        answers = logits_of(self.judge, rest).argmax(1)
        features = [features_of(self.judge, part) for part in (rest, self.real)]
        return {
            RA: share(RA, int((answers == rest.labels).sum()), len(rest)),
            FD: distance(features[0], features[1], np.random.default_rng(self.seed)),
        }

    def share_of_class(
        self, network: Generator, name: str, sampler: Sampler, told: Told = untold
    ) -> Measurement:
        """Measure FA alone, as another way of drawing gives it."""
        hits = int((self.own(network, sampler, told).argmax(1) == self.label).sum())
        return share(name, hits, self.pictures, self.level)

    def _others(self) -> IntArray:
        return np.setdiff1d(self.real.labels, [] if self.label is None else [self.label])

    def _chance(self) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed)
