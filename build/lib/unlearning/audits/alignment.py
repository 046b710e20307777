"""CKA: how like the original's features, and how like retrained models', the candidate's are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import stats

from unlearning.audits.changes import measured
from unlearning.audits.representation import Representation
from unlearning.domain import FloatArray, Group, IntArray, Measurement
from unlearning.errors import UsageError
from unlearning.statistics.intervals import LEVEL, Interval

LEAST = 4
"""Examples without which the unbiased estimate does not exist."""

PARTS = 20
"""Parts of the examples that the jackknife leaves out in turn."""


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """Centred kernel alignment (Kornblith et al. 2019, linear) on forget and on test examples.

    Needs features of the candidate, the original and retrained models. 1 is the same geometry, 0
    none in common, and the estimate, unbiased (Song et al. 2012, Eq. 5), may fall below 0. For each
    layer, on forget and on test examples:

    - cka_original/GROUP/LAYER: candidate and original. cka_retrained/...: candidate and retrained
      models, their mean. cka_apart/...: original and retrained models, their mean: what an honest
      retraining leaves in common.

    A candidate that began at the original stays like it on examples that nobody forgot either, so
    compare the two groups. It describes and decides nothing. Intervals: jackknife over subjects.
    examples: of a group, at most.
    """

    name: ClassVar[str] = "alignment"
    paper: ClassVar[str] = "Kornblith et al. 2019, section 3"

    examples: int = 500

    def measure(
        self,
        candidate: Representation,
        original: Representation,
        retrained: Sequence[Representation],
        rng: np.random.Generator,
    ) -> list[Measurement]:
        """Measure at every layer; raises UsageError without retrained models."""
        if not retrained:
            raise UsageError("alignment: got no retrained model, expected at least one")
        pairs = {
            "cka_original": [(candidate, original)],
            "cka_retrained": [(candidate, model) for model in retrained],
            "cka_apart": [(original, model) for model in retrained],
        }
        found: list[Measurement] = []
        for group in (Group.FORGET, Group.TEST):
            where = self._drawn(candidate, group, rng)
            parts = _parts(candidate.outputs.subjects[where], rng)
            for layer in candidate.features:
                for name, models in pairs.items():
                    interval = _aligned(models, layer, where, parts)
                    title = f"{name}/{group.name.lower()}/{layer}"
                    found.append(measured(title, interval, len(where)))
        return found

    def _drawn(self, model: Representation, group: Group, rng: np.random.Generator) -> IntArray:
        where = rng.permutation(np.flatnonzero(model.outputs.of(group)))[: self.examples]
        if len(where) < 2 * LEAST:
            raise UsageError(
                f"alignment: got {len(where)} {group.name.lower()} examples, expected at least "
                f"{2 * LEAST}"
            )
        return where


def inner_products(features: FloatArray) -> FloatArray:
    """Give the Gram matrix (n, n) of features (n, d), its diagonal 0.

    Centring first changes nothing but the rounding.
    """
    exact = features.astype(np.float64)
    exact = exact - exact.mean(0)
    gram = exact @ exact.T
    np.fill_diagonal(gram, 0)
    return np.asarray(gram)


def cka(first: FloatArray, second: FloatArray) -> float:
    """Give the unbiased linear CKA of two networks by their `inner_products`, n at least 4."""
    sizes = _hsic(first, first) * _hsic(second, second)
    return _hsic(first, second) / np.sqrt(sizes) if sizes > 0 else float("nan")


def _hsic(k: FloatArray, m: FloatArray) -> float:
    """Hilbert-Schmidt independence criterion of Gram matrices with zero diagonal (Song, Eq. 5)."""
    n, k_rows, m_rows = len(k), k.sum(0), m.sum(0)
    both = k_rows.sum() * m_rows.sum() / ((n - 1) * (n - 2))
    total = np.vdot(k, m) + both - 2 / (n - 2) * (k_rows @ m_rows)
    return float(total / (n * (n - 3)))


def _parts(subjects: IntArray, rng: np.random.Generator) -> list[IntArray]:
    """Cut examples into parts that no subject crosses, and give for each the others' places."""
    people, code = np.unique(subjects, return_inverse=True)
    of_person = rng.permutation(len(people)) % min(PARTS, len(people))
    part = of_person[code]
    return [np.flatnonzero(part != p) for p in range(min(PARTS, len(people)))]


def _aligned(
    models: Sequence[tuple[Representation, Representation]],
    layer: str,
    where: IntArray,
    parts: Sequence[IntArray],
) -> Interval:
    grams = [
        tuple(inner_products(model.features[layer][where]) for model in pair) for pair in models
    ]

    def mean_cka(kept: IntArray) -> float:
        cut = np.ix_(kept, kept)
        return float(np.mean([cka(k[cut], m[cut]) for k, m in grams]))

    return jackknife(mean_cka, len(where), parts)


def jackknife(
    statistic: Callable[[IntArray], float], n: int, parts: Sequence[IntArray]
) -> Interval:
    """Give a statistic of all n examples, its variance from leaving out one part at a time.

    parts: for each, the indices that stay. Student's t at the number of parts less one.
    """
    value, count = statistic(np.arange(n)), len(parts)
    if count < 2:
        return Interval(value, -np.inf, np.inf)
    without = np.array([statistic(kept) for kept in parts])
    variance = (count - 1) * without.var()
    reach = float(stats.t.ppf(0.5 + LEVEL / 2, count - 1) * np.sqrt(variance))
    return Interval(value, value - reach, value + reach)
