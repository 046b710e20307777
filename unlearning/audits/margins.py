"""KLOM: how far, example by example, the margins of unlearned models are from retrained models'."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import stats
from scipy.special import rel_entr

from unlearning.audits import AUDITS
from unlearning.domain import FloatArray, Group, Measurement, Outputs
from unlearning.errors import UsageError
from unlearning.statistics.intervals import LEVEL
from unlearning.statistics.signals import scaled_confidence

ESTIMATES = ("histogram", "gaussian")
QUANTILE = 0.95
"""The quantile over examples that stands beside the mean, which hides a few that are far off."""


@AUDITS.register
@dataclass(frozen=True, kw_only=True)
class Klom:
    """KL divergence of margins (Georgiev et al. 2024, appendix E.1), in nats, for each group.

    A margin is log(p / (1 - p)) of the true class. The divergence from few models is far from zero
    even between equals, so each `klom` comes with a `klom_null`: as many retrained models as there
    are candidates, against the same other retrained models.

    estimate: `histogram` as published; or `gaussian`, which needs fewer models.
    """

    name: ClassVar[str] = "klom"
    paper: ClassVar[str] = "Georgiev et al. 2024"
    runs: ClassVar[str] = "lethe audit"

    estimate: str = "histogram"

    def __post_init__(self) -> None:
        """Refuse an estimate that is not known."""
        if self.estimate not in ESTIMATES:
            raise UsageError(f"klom.estimate: got {self.estimate!r}, expected {ESTIMATES}")

    def measure(
        self,
        candidates: Sequence[Outputs],
        references: Sequence[Outputs],
        rng: np.random.Generator,
    ) -> list[Measurement]:
        """Compare the first half of the references with candidates and with the second half."""
        if len(candidates) < 2 or len(references) < 4:
            raise UsageError(
                f"klom: got {len(candidates)} candidates and {len(references)} retrained models, "
                "expected at least 2 and 4, since it compares distributions"
            )
        others, equals = np.array_split(margins_of(references), 2)
        found = margins_of(candidates)[: len(equals)]
        divergence = gaussian_divergence if self.estimate == "gaussian" else binned_divergence
        far = divergence(found, others)
        null = divergence(equals[: len(found)], others)
        return [
            measurement
            for group in Group
            if (where := candidates[0].of(group)).any()
            for name, values in (("klom", far), ("klom_null", null))
            for measurement in _summary(f"{name}/{group.name.lower()}", values[where])
        ]


def margins_of(models: Sequence[Outputs]) -> FloatArray:
    """Give every model's margins, (models, n)."""
    return scaled_confidence(np.stack([model.logits for model in models]), models[0].labels)


def binned_divergence(
    found: FloatArray, wanted: FloatArray, *, bins: int = 20, floor: float = 1e-5, clip: float = 100
) -> FloatArray:
    """Give KL(found || wanted) of each example's margins by histograms; (models, n) to (n,) nats.

    Bins of equal width cover what both have, cut off at -+ clip; an empty bin of `wanted` counts as
    `floor`. bins, floor, clip and the direction are those of the public benchmark's code, which
    leaves the largest margin out of its last bin; here it is in.
    """
    found, wanted = found.clip(-clip, clip), wanted.clip(-clip, clip)
    low = np.minimum(found.min(0), wanted.min(0))
    width = np.maximum(found.max(0), wanted.max(0)) - low
    width = np.where(width > 0, width, 1.0)
    p, q = (_histogram((margins - low) / width, bins) for margins in (found, wanted))
    q = np.where(p > 0, np.maximum(q, floor), q)
    return np.asarray(rel_entr(p, q / q.sum(1, keepdims=True)).sum(1))


def _histogram(places: FloatArray, bins: int) -> FloatArray:
    """Count places in [0, 1] of (models, n) into shares (n, bins)."""
    models, n = places.shape
    index = np.minimum((places * bins).astype(np.int64), bins - 1) + bins * np.arange(n)
    counts = np.bincount(index.ravel(), minlength=n * bins).reshape(n, bins)
    return np.asarray(counts / models)


def gaussian_divergence(found: FloatArray, wanted: FloatArray) -> FloatArray:
    """Give KL(found || wanted) of fitted normal distributions; (models, n) to (n,) nats."""
    tiny = np.finfo(np.float64).tiny
    p, q = (np.maximum(margins.var(0, ddof=1), tiny) for margins in (found, wanted))
    gap = (found.mean(0) - wanted.mean(0)) ** 2
    return np.asarray((np.log(q / p) + (p + gap) / q - 1) / 2)


def _summary(name: str, values: FloatArray) -> Iterator[Measurement]:
    """Give the mean with its normal interval, and a quantile with its binomial one."""
    n, side = len(values), 0.5 + LEVEL / 2
    spread = values.std(ddof=1) / np.sqrt(n) if n > 1 else np.inf
    mean, reach = float(values.mean()), float(stats.norm.ppf(side) * spread)
    yield Measurement(name, mean, mean - reach, mean + reach, n)
    ordered = np.sort(values)
    low, high = stats.binom.ppf([1 - side, side], n, QUANTILE).clip(0, n - 1).astype(int)
    middle = float(np.quantile(ordered, QUANTILE, method="inverted_cdf"))
    bounds = float(ordered[low]), float(ordered[high])
    yield Measurement(f"{name}@{QUANTILE}", middle, bounds[0], bounds[1], n)
