"""LiRA: how a network's confidence compares with that of shadows that saw an example or did not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from unlearning.attacks import ATTACKS
from unlearning.bank.calibration import Calibrated, Signals
from unlearning.domain import BoolArray, FloatArray, IntArray
from unlearning.errors import UsageError
from unlearning.statistics.signals import scaled_confidence


@ATTACKS.register
@dataclass(frozen=True, kw_only=True)
class LiraOffline(Calibrated):
    """Calibrate each example by the shadows that never saw it (Carlini et al. 2022, Eq. 4).

    Score (phi - mean_out) / deviation_out, a monotone function of the paper's one-sided
    probability. A deviation from a few shadows is noise, so it is shrunk towards the one that all
    examples share: `prior` is how many shadows' worth of weight the shared one has (infinite: the
    shared one alone, the paper's fixed variance).
    """

    name: ClassVar[str] = "lira_offline"
    paper: ClassVar[str] = "Carlini et al. 2022, section IV"
    runs: ClassVar[str] = "benchmark bank_study"

    prior: float = 16.0

    def __post_init__(self) -> None:
        """Refuse a weight that is none."""
        _refuse_weight(self.name, self.prior)

    def signal(self, logits: FloatArray, labels: IntArray) -> FloatArray:
        """Give log(p / (1 - p)) of the true class."""
        return scaled_confidence(logits, labels)

    def compare(self, signals: Signals) -> FloatArray:
        """Score every example; raises UsageError where fewer than two shadows never saw one."""
        unseen = ~signals.seen
        refuse_few(self.name, unseen, 2, "never saw it")
        mean, deviation = gaussian(signals.shadows, unseen, self.prior)
        return np.asarray((signals.target - mean) / deviation)

    def score_shadows(self, signals: Signals, which: IntArray) -> FloatArray:
        """Score all shadows at once, by subtraction; three must never have seen an example.

        Of c values with mean m, leaving out the one at m + d moves the mean by -d / (c - 1) and
        takes d^2 c / (c - 1) from the sum of squares.
        """
        unseen = ~signals.seen
        refuse_few(self.name, unseen, 3, "never saw it")
        count, off = unseen.sum(0), off_mean(signals)
        scale, out, picked = count / (count - 1), unseen[which], off[which]
        squares = np.maximum((off**2).sum(0) - picked**2 * scale, 0)
        freedom = np.where(out, count - 2, 0)
        shared = np.where(out, squares, 0).sum(1) / freedom.sum(1)
        deviation = _shrunk(squares, shared[:, None], count - 2, self.prior)
        return np.where(out, picked * scale / deviation, np.nan)


@ATTACKS.register
@dataclass(frozen=True, kw_only=True)
class LiraOnline(Calibrated):
    """Weigh the shadows that saw an example against those that did not (Carlini et al., Alg. 1).

    Score log N(phi; mean_in, deviation_in) - log N(phi; mean_out, deviation_out); deviations are
    shrunk as offline. It asks for shadows that were really trained on what they count as having
    seen. No shadow of a bank trains on holdout examples, so against these a network that never saw
    the forget set scores below a half: for whoever has trained such shadows, not for the gates.
    """

    name: ClassVar[str] = "lira_online"
    paper: ClassVar[str] = "Carlini et al. 2022, Algorithm 1"
    runs: ClassVar[str] = "library"

    prior: float = 16.0

    def __post_init__(self) -> None:
        """Refuse a weight that is none."""
        _refuse_weight(self.name, self.prior)

    def signal(self, logits: FloatArray, labels: IntArray) -> FloatArray:
        """Give log(p / (1 - p)) of the true class."""
        return scaled_confidence(logits, labels)

    def compare(self, signals: Signals) -> FloatArray:
        """Score every example; raises UsageError without two shadows on either side of one."""
        refuse_few(self.name, signals.seen, 2, "saw it")
        refuse_few(self.name, ~signals.seen, 2, "never saw it")
        found = [gaussian(signals.shadows, m, self.prior) for m in (signals.seen, ~signals.seen)]
        inside, outside = (log_density(signals.target, *of) for of in found)
        return inside - outside


def off_mean(signals: Signals) -> FloatArray:
    """How far each shadow is from the mean of those that never saw an example; 0 if it did."""
    unseen = ~signals.seen
    mean = np.where(unseen, signals.shadows, 0).sum(0) / unseen.sum(0)
    return np.where(unseen, signals.shadows - mean, 0)


def gaussian(signals: FloatArray, where: BoolArray, prior: float) -> tuple[FloatArray, FloatArray]:
    """Give each example's mean and shrunk deviation over some shadows; (shadows, n) to two (n,)."""
    count = where.sum(0)
    mean = np.where(where, signals, 0).sum(0) / count
    squares = np.where(where, (signals - mean) ** 2, 0).sum(0)
    shared = squares.sum() / (count - 1).sum()
    return np.asarray(mean), _shrunk(squares, shared, count - 1, prior)


def log_density(x: FloatArray, mean: FloatArray, deviation: FloatArray) -> FloatArray:
    """Give the normal log density without its constant."""
    return np.asarray(-(((x - mean) / deviation) ** 2) / 2 - np.log(deviation))


def _shrunk(squares: FloatArray, shared: FloatArray, freedom: IntArray, prior: float) -> FloatArray:
    """Mean of own and shared variance, weighed by freedom and prior; its root, never quite zero.

    Written by the share that the own one has, so that an infinite prior leaves the shared alone.
    """
    own = freedom / (freedom + prior)
    variance = own * squares / freedom + (1 - own) * shared
    return np.asarray(np.sqrt(np.maximum(variance, np.finfo(np.float64).tiny)))


def _refuse_weight(name: str, prior: float) -> None:
    if not prior >= 0:  # neither is NaN
        raise UsageError(f"{name}.prior: got {prior}, expected a number of at least 0, or infinity")


def refuse_few(name: str, where: BoolArray, least: int, which: str) -> None:
    """Raise UsageError if an example has fewer than `least` shadows of a kind."""
    count = where.sum(0)
    if not len(count) or count.min() < least:
        raise UsageError(f"{name}: an example has fewer than {least} shadows that {which}")
