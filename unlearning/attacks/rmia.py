"""RMIA: is an example, by the shadows' measure, likelier under a network than strangers are?"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from unlearning.attacks import ATTACKS
from unlearning.bank.calibration import Calibrated, Signals
from unlearning.domain import BoolArray, FloatArray, IntArray
from unlearning.errors import UsageError
from unlearning.statistics.signals import log_confidence

CONFIDENCES = ("taylor", "softmax")
POPULATIONS = ("holdout", "others")


@dataclass(frozen=True, kw_only=True)
class Rmia(Calibrated):
    """What online and offline have in common (Zarifzadeh et al. 2024).

    Score: the share of a population of z for which (p(x) / prior(x)) / (p(z) / prior(z)) >= gamma,
    that is, the chance that the network speaks gamma times more for x than for z. The population
    are the holdout examples, without x where it is one of them.

    confidence: `taylor` takes p from `taylor_softmax`; `softmax` is the plain one, which reads
    neither `margin` nor `order`. temperature: divides the logits.
    """

    gamma: float = 2.0  # this and the next four: Zarifzadeh et al. 2024 and AMUN, CIFAR-10
    confidence: str = "taylor"
    temperature: float = 2.0
    margin: float = 0.6
    order: int = 4

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing."""
        if self.confidence not in CONFIDENCES:
            raise UsageError(f"rmia.confidence: got {self.confidence!r}, expected {CONFIDENCES}")
        if not (self.gamma > 0 and self.temperature > 0):
            raise UsageError(
                f"rmia: got gamma {self.gamma}, temperature {self.temperature}, expected both > 0"
            )

    def signal(self, logits: FloatArray, labels: IntArray) -> FloatArray:
        """Give the confidence in the true class."""
        scaled = logits.astype(np.float64) / self.temperature
        if self.confidence == "softmax":
            return np.asarray(np.exp(log_confidence(scaled, labels)))
        return taylor_softmax(scaled, labels, margin=self.margin, order=self.order)

    def compare(self, signals: Signals) -> FloatArray:
        """Score every example; raises UsageError where there is no population to compare with."""
        population = self.population(signals)
        if population.sum() < 2:
            raise UsageError(
                f"rmia: got {population.sum()} examples as population, expected at least 2"
            )
        ratios = signals.target / self.prior(signals)
        return share_reached(ratios, population, self.gamma, strict=self.strict)

    @property
    def strict(self) -> bool:
        """Whether gamma must be exceeded, not only reached."""
        return False

    def population(self, signals: Signals) -> BoolArray:
        """Say which examples are z, (n,)."""
        return signals.holdout

    @abstractmethod
    def prior(self, signals: Signals) -> FloatArray:
        """Give how likely the shadows find each example, (n,)."""


@ATTACKS.register
@dataclass(frozen=True, kw_only=True)
class RmiaOnline(Rmia):
    """The prior is the mean over all shadows, half of which saw the example.

    over: the population, `holdout` or `others`: every other example, members included, as AMUN has
    it. As for `lira_online`, the shadows must really have been trained on what they count as having
    seen, which a bank's never were on holdout examples.
    """

    name: ClassVar[str] = "rmia_online"
    paper: ClassVar[str] = "Zarifzadeh et al. 2024"
    runs: ClassVar[str] = "library"

    over: str = "holdout"

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing."""
        super().__post_init__()
        if self.over not in POPULATIONS:
            raise UsageError(f"rmia_online.over: got {self.over!r}, expected {POPULATIONS}")

    def population(self, signals: Signals) -> BoolArray:
        """Say which examples are z, (n,)."""
        return signals.holdout if self.over == "holdout" else np.ones_like(signals.holdout)

    def prior(self, signals: Signals) -> FloatArray:
        """Give the mean over all shadows."""
        return np.asarray(signals.shadows.mean(0))


@ATTACKS.register
@dataclass(frozen=True, kw_only=True)
class RmiaOffline(Rmia):
    """The prior is guessed from the shadows that never saw the example.

    Having seen it is taken to lift a confidence p to a p + 1 - a, so that the prior, the mean of
    both, is ((1 + a) p + 1 - a) / 2 with p the mean of those that never saw it.

    privacy_meter: as that tool has it. Of K shadows the K / 2 largest signals are averaged, those
    of shadows that saw the example counting as zero; for the population nobody's does, so that its
    prior is that of the upper half; and gamma must be exceeded. `PRIVACY_METER` is all of its
    settings.
    """

    name: ClassVar[str] = "rmia_offline"
    paper: ClassVar[str] = "Zarifzadeh et al. 2024"
    runs: ClassVar[str] = "benchmark methods"

    gamma: float = 1.0  # this and a: Privacy Meter, which tunes a on another network if asked to
    a: float = 0.3
    privacy_meter: bool = False

    @property
    def strict(self) -> bool:
        """Whether gamma must be exceeded, not only reached."""
        return self.privacy_meter

    def prior(self, signals: Signals) -> FloatArray:
        """Give the guess; raises UsageError for too few shadows."""
        never = _upper_half(signals) if self.privacy_meter else _unseen(signals)
        return np.asarray(((1 + self.a) * never + 1 - self.a) / 2)


PRIVACY_METER = RmiaOffline(confidence="softmax", temperature=1.0, privacy_meter=True)
"""The behaviour of ml_privacy_meter (commit e384af8) with its default a."""

AMUN = RmiaOnline(order=3, over="others")
"""The behaviour of AMUN's code, which says that the order is 4 and stops at the third power."""


def taylor_softmax(
    logits: FloatArray, labels: IntArray, *, margin: float, order: int
) -> FloatArray:
    """Give the soft-margin Taylor softmax of the true class (Banerjee et al. 2020), (..., n).

    f(z_y - margin) / (f(z_y - margin) + sum_{c != y} f(z_c)), f the exponential's Taylor polynomial
    of degree `order`. Of even degree it is positive and the result lies in (0, 1); of odd degree it
    need not. logits (..., n, classes), labels (n,).
    """
    index = np.broadcast_to(labels, logits.shape[:-1])[..., None]
    powers = _taylor(logits, order)
    np.put_along_axis(
        powers, index, _taylor(np.take_along_axis(logits, index, -1) - margin, order), axis=-1
    )
    return np.asarray(np.take_along_axis(powers, index, -1)[..., 0] / powers.sum(-1))


def _taylor(x: FloatArray, order: int) -> FloatArray:
    value = np.ones_like(x)
    for power in range(order, 0, -1):
        value = 1 + x * value / power
    return value


def share_reached(
    ratios: FloatArray, population: BoolArray, gamma: float, *, strict: bool
) -> FloatArray:
    """Give the share of the other population ratios z with ratio / z >= gamma, or > gamma, (n,).

    By two sorted lists instead of all pairs: below zero, where odd Taylor polynomials lead, the
    inequality turns round.
    """
    z, limit = ratios[population], ratios / gamma
    up, down = np.sort(z[z >= 0]), np.sort(z[z < 0])
    order, reached = np.argsort(limit), np.empty(len(limit), dtype=np.int64)
    limit = limit[order]  # looked up in order, neighbours are found in the cache
    reached[order] = np.searchsorted(up, limit, "left" if strict else "right")
    reached[order] += len(down) - np.searchsorted(down, limit, "right" if strict else "left")
    itself = population & (gamma < 1 or (gamma == 1 and not strict))
    return np.asarray((reached - itself) / (len(z) - population))


def _unseen(signals: Signals) -> FloatArray:
    count = (~signals.seen).sum(0)
    if not len(count) or count.min() < 1:
        raise UsageError("rmia_offline: an example has no shadow that never saw it")
    return np.asarray(np.where(signals.seen, 0, signals.shadows).sum(0) / count)


def _upper_half(signals: Signals) -> FloatArray:
    half = len(signals.shadows) // 2
    if half < 2:
        raise UsageError(
            f"rmia_offline.privacy_meter: got {len(signals.shadows)} shadows, expected at least 4"
        )
    out = ~signals.seen | signals.holdout
    means = np.einsum("kn,kn->n", signals.shadows, out) / half
    # Zeros fill up the half; only where there are more values than that must they be sorted.
    more = out.sum(0, dtype=np.int32) > half
    values = signals.shadows[:, more]
    values[~out[:, more]] = 0
    values.partition(len(values) - half, axis=0)
    means[more] = values[-half:].mean(0)
    return np.asarray(means)
