"""What a test can decide, before anything is unlearned: how often a perfect retrain would pass.

Scores are simulated as normal numbers, measured as real ones are, and judged by the policy's own
forgetting gate, so that whatever it asks for counts. Everything is pure; draws come from the
generator given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from unlearning.domain import FloatArray, IntArray, Measurement, Outcome
from unlearning.gates.forgetting import Forgetting
from unlearning.statistics import (
    FPRS,
    LEVEL,
    Interval,
    auc_interval,
    chance_variance,
    tail_interval,
)

WANTED = 0.8
"""How often a perfect retrain must pass for a case to be called decidable."""

SIZES = (100, 150, 200, 300, 500, 700, 1000, 1500, 2000)
"""Forget sets that `examples_needed` tries."""

CHAMPION_AUC = 0.7
"""What the untouched champion's calibrated AUC is taken to be where nobody has measured it: .67 to
.76 on CIFAR-10, .72 to .79 on digits with a tenth of the labels wrong (benchmarks/results)."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """How much there is to go by: examples, and the subjects that they belong to, on both sides.

    holdout: comparable ones only. likeness: share of a score's variance that examples of one
    subject have in common (a fraction), 0 where nobody knows.
    """

    examples: int
    subjects: int
    holdout: int
    holdout_subjects: int
    likeness: float = 0.0


@dataclass(frozen=True)
class Chances:
    """How often the gate said what, each a fraction of `draws`."""

    passed: float
    failed: float
    inconclusive: float
    draws: int


def chances(
    case: Case,
    known: Mapping[str, Measurement],
    gate: Forgetting,
    rng: np.random.Generator,
    *,
    auc: float = 0.5,
    draws: int = 400,
) -> Chances:
    """Simulate what the gate says of candidates of which the attack's true AUC is `auc`.

    known: champion_auc, null_auc and all else that the gate reads and that is measured before
    anything is unlearned; `assumed` stands in for it.
    """
    outcomes = [
        gate.judge({**known, **measured(case, drawn(case, rng), auc=auc)}).outcome
        for _ in range(draws)
    ]
    passed, failed, open_ = (
        sum(o is wanted for o in outcomes) / draws
        for wanted in (Outcome.PASSED, Outcome.FAILED, Outcome.INCONCLUSIVE)
    )
    return Chances(passed, failed, open_, draws)


def decidable(
    case: Case,
    known: Mapping[str, Measurement],
    gate: Forgetting,
    rng: np.random.Generator,
    *,
    draws: int = 400,
) -> tuple[bool, float]:
    """Say whether a perfect retrain would pass often enough, and how often it would."""
    passed = chances(case, known, gate, rng, draws=draws).passed
    return passed >= WANTED, passed


def examples_needed(
    case: Case,
    shadows: int,
    gate: Forgetting,
    rng: np.random.Generator,
    *,
    champion: float = CHAMPION_AUC,
    sizes: Sequence[int] = SIZES,
    draws: int = 400,
) -> int | None:
    """Give the smallest forget set of at least this case's size that would be decidable, or None.

    The holdout set stays, and subjects have as many examples each as before.
    """
    for examples in (size for size in sizes if size >= case.examples):
        subjects = max(1, round(examples * case.subjects / case.examples))
        larger = replace(case, examples=examples, subjects=subjects)
        known = assumed(larger, shadows, champion=champion)
        if decidable(larger, known, gate, rng, draws=draws)[0]:
            return examples
    return None


def assumed(case: Case, shadows: int, *, champion: float = CHAMPION_AUC) -> dict[str, Measurement]:
    """Give what is known before unlearning, where nothing is trained: the expected measurements.

    champion: the untouched champion's AUC. The null band is that of chance.
    """
    n, m = case.examples, case.holdout
    chance = np.sqrt(chance_variance(n, m))
    freedom = max(1, min(case.subjects, case.holdout_subjects) - 1)
    wide = float(stats.t.ppf(0.5 + LEVEL / 2, freedom) * chance)
    band = float(stats.norm.ppf(0.5 + LEVEL / 2) * chance)
    found = (
        Measurement("champion_auc", champion, champion - wide, min(1.0, champion + wide), n),
        Measurement("null_auc", 0.5, 0.5 - band, 0.5 + band, shadows),
        Measurement("holdout_examples", m, m, m, m),
        Measurement("forget_subjects", case.subjects, case.subjects, case.subjects, n),
    )
    return {m.name: m for m in found}


@dataclass(frozen=True, eq=False)
class Drawn:
    """Normal scores of forget (n,) and holdout (m,) examples, none of whom was ever seen."""

    forget: FloatArray
    holdout: FloatArray

    def near(self, other: Drawn, shared: float) -> Drawn:
        """Mix in another draw; `shared` is the correlation with this one (a fraction)."""
        own, rest = np.sqrt(shared), np.sqrt(1 - shared)
        return Drawn(
            own * self.forget + rest * other.forget, own * self.holdout + rest * other.holdout
        )


def drawn(case: Case, rng: np.random.Generator) -> Drawn:
    """Draw scores, those of one subject alike as far as the case says."""
    forget, holdout = _codes(case)
    return Drawn(_alike(forget, case.likeness, rng), _alike(holdout, case.likeness, rng))


def _codes(case: Case) -> tuple[IntArray, IntArray]:
    return (
        np.arange(case.examples) % case.subjects,
        np.arange(case.holdout) % case.holdout_subjects,
    )


def _alike(subjects: IntArray, likeness: float, rng: np.random.Generator) -> FloatArray:
    own = rng.normal(size=len(subjects))
    common = rng.normal(size=subjects.max() + 1)[subjects]
    return np.asarray(np.sqrt(1 - likeness) * own + np.sqrt(likeness) * common)


def measured(case: Case, scores: Drawn, *, auc: float) -> dict[str, Measurement]:
    """Measure the candidate's part: its AUC and both tails, moved to a true AUC of `auc`.

    Two normal distributions that are d deviations apart have AUC Phi(d / sqrt(2)).
    """
    forget = scores.forget + np.sqrt(2) * stats.norm.ppf(auc)
    codes, others = _codes(case)
    found = {"forget_auc": auc_interval(forget, scores.holdout, codes, others)}
    for fpr in FPRS:
        for side, sign in (("high", 1), ("low", -1)):
            tail = tail_interval(sign * forget, sign * scores.holdout, codes, fpr=fpr)
            found[f"forget_tail_{side}@{fpr}"] = tail
    return {name: _named(name, interval, case.examples) for name, interval in found.items()}


def _named(name: str, interval: Interval, n: int) -> Measurement:
    return Measurement(name, interval.value, interval.low, interval.high, n)


def false_pass(
    case: Case,
    known: Mapping[str, Measurement],
    gate: Forgetting,
    rng: np.random.Generator,
    *,
    auc: float,
    attempts: int,
    shared: float,
    runs: int = 1000,
) -> FloatArray:
    """How often a run has passed someone after its 1st, 2nd, ... attempt, (attempts,).

    Every attempt has the same true AUC, and scores that correlate by `shared` with the others',
    since all are tried on the same examples.
    """
    passes = np.zeros((runs, attempts), dtype=bool)
    for run in range(runs):
        common = drawn(case, rng)
        for attempt in range(attempts):
            scores = common.near(drawn(case, rng), shared)
            verdict = gate.judge({**known, **measured(case, scores, auc=auc)})
            passes[run, attempt] = verdict.outcome is Outcome.PASSED
    return np.asarray(np.logical_or.accumulate(passes, axis=1).mean(0))
