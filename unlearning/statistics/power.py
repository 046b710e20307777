"""What a test can decide, before anything is unlearned: how often a perfect retrain would pass.

Scores are simulated as normal numbers, measured as real ones are, and judged by the policy's own
forgetting gate, so that whatever it asks for counts. Everything is pure; draws come from the
generator given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from unlearning.domain import FloatArray, Group, IntArray, Measurement, Outcome, Outputs
from unlearning.gates.forgetting import Forgetting
from unlearning.gates.parts import CHAMPION as CHAMPION_OF_PART
from unlearning.gates.parts import LEARNED, PARTS, STRANGERS
from unlearning.statistics import as_one
from unlearning.statistics.intervals import (
    LEVEL,
    Interval,
    chance_variance,
    clopper_pearson,
    intraclass,
    level_of_each,
)
from unlearning.statistics.simulation import Case, drawn, measured

WANTED = 0.8
"""How often a perfect retrain must pass for a case to be called decidable."""

SIZES = (100, 150, 200, 300, 500, 700, 1000, 1500, 2000)
"""Forget sets that `examples_needed` tries."""

CHAMPION_AUC = 0.7
"""What the untouched champion's calibrated AUC is taken to be where nobody has measured it: .67 to
.76 on CIFAR-10, .72 to .79 on digits with a tenth of the labels wrong (benchmarks/results)."""

BLOCK = 25
"""Draws that are made together."""


@dataclass(frozen=True)
class Chances:
    """How often the gate said what, each a fraction of `draws`."""

    passed: float
    failed: float
    inconclusive: float
    draws: int

    @property
    def interval(self) -> Interval:
        """How often it passed, with the simulation's own error."""
        return clopper_pearson(self.passed * self.draws, self.draws)


def chances(
    case: Case,
    known: Mapping[str, Measurement],
    gate: Forgetting,
    rng: np.random.Generator,
    *,
    auc: float = 0.5,
    draws: int = 400,
    level: float = LEVEL,
) -> Chances:
    """Simulate what the gate says of candidates of which the attack's true AUC is `auc`.

    known: champion_auc, null_auc and all else that the gate reads and that is measured before
    anything is unlearned; `assumed` stands in for it. level: of the candidate's intervals.
    """
    said = Counter(_outcomes(case, known, gate, rng, auc=auc, draws=draws, level=level))
    return Chances(
        passed=said[Outcome.PASSED] / draws,
        failed=said[Outcome.FAILED] / draws,
        inconclusive=said[Outcome.INCONCLUSIVE] / draws,
        draws=draws,
    )


def _outcomes(
    case: Case,
    known: Mapping[str, Measurement],
    gate: Forgetting,
    rng: np.random.Generator,
    *,
    auc: float,
    draws: int,
    level: float,
) -> Iterator[Outcome]:
    """Judge one draw after another; no more are made than are asked for, to a block."""
    if gate.few(known):
        lift = float(np.sqrt(2) * stats.norm.ppf(auc))
        for found in as_one.drawn(known, rng, draws, gate.doors, lift=lift, level=level):
            yield gate.judge({**known, **found}).outcome
        return
    fprs = _fprs(case, gate)
    for block in _blocks(draws):
        for found in measured(
            case, drawn(case, rng, block, gate.doors), auc=auc, fprs=fprs, level=level
        ):
            yield gate.judge({**known, **found}).outcome


def _fprs(case: Case, gate: Forgetting) -> tuple[float]:
    """Give the false-positive rate that the gate will look at: tails are what takes time."""
    return (gate.limit_for(case.examples, case.holdout)[0].fpr,)


def _blocks(draws: int) -> Iterator[int]:
    yield from (min(BLOCK, draws - start) for start in range(0, draws, BLOCK))


def decidable(
    case: Case,
    known: Mapping[str, Measurement],
    gate: Forgetting,
    rng: np.random.Generator,
    *,
    draws: int = 400,
    level: float = LEVEL,
) -> tuple[bool, float]:
    """Say whether a perfect retrain would pass often enough, and how often it would."""
    passed = chances(case, known, gate, rng, draws=draws, level=level).passed
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
    level: float = LEVEL,
) -> int | None:
    """Give the smallest forget set of at least this case's size that would be decidable, or None.

    The holdout set stays, and subjects have as many examples each as before.
    """
    for examples in (size for size in sizes if size >= case.examples):
        if shadows < gate.smallest_bank:
            continue
        larger = case.of_size(examples)
        known = assumed(larger, shadows, champion=champion)
        outcomes = _outcomes(larger, known, gate, rng, auc=0.5, draws=draws, level=level)
        if _often_enough(outcomes, draws):
            return examples
    return None


def _often_enough(outcomes: Iterable[Outcome], draws: int) -> bool:
    """Say whether as many pass as are wanted, and stop as soon as they cannot."""
    could = draws
    for outcome in outcomes:
        could -= outcome is not Outcome.PASSED
        if could < WANTED * draws:
            return False
    return True


def assumed(case: Case, shadows: int, *, champion: float = CHAMPION_AUC) -> dict[str, Measurement]:
    """Give what is known before unlearning, where nothing is trained: the expected measurements.

    champion: the untouched champion's AUC. The null band is `null_band`'s of so many shadows that
    differ by chance alone.
    """
    n, m = case.examples, case.holdout
    chance = np.sqrt(chance_variance(n, m))
    one_more = chance * np.sqrt(1 + 1 / shadows)
    band = float(stats.t.ppf(0.5 + LEVEL / 2, max(1, shadows - 1)) * one_more)
    found = (
        _assumed_champion("champion_auc", case, champion),
        Measurement("null_auc", 0.5, 0.5 - band, 0.5 + band, shadows),
        Measurement("holdout_examples", m, m, m, m),
        Measurement("forget_subjects", case.subjects, case.subjects, case.subjects, n),
        Measurement("forget_auc", 0.5, 0.5, 0.5, n),
        *as_one.assumed(case, shadows),
        *_assumed_parts(case, champion),
    )
    return {m.name: m for m in found}


def _assumed_champion(name: str, case: Case, auc: float) -> Measurement:
    freedom = max(1, min(case.subjects, case.holdout_subjects) - 1)
    chance = np.sqrt(chance_variance(case.examples, case.holdout))
    wide = float(stats.t.ppf(0.5 + LEVEL / 2, freedom) * chance)
    return Measurement(name, auc, auc - wide, min(1.0, auc + wide), case.examples)


def _assumed_parts(case: Case, champion: float) -> Iterator[Measurement]:
    """Give what is known of parts: how many, their strangers, and the champion's AUC on them."""
    if not case.parts:
        return
    count = len(case.parts)
    yield Measurement(PARTS, count, count, count, case.examples)
    for number, (_, strangers) in enumerate(case.parts):
        yield Measurement(f"{STRANGERS}{number}", strangers, strangers, strangers, strangers)
        yield Measurement(f"{LEARNED}{number}", 0.0, 0.0, 0.0, strangers)  # as of all
        yield _assumed_champion(f"{CHAMPION_OF_PART}{number}", case.part(number), champion)


def case_of(part: Outputs, likeness: float = 0.0, parts: Sequence[IntArray] = ()) -> Case:
    """Count the examples and subjects of both sides in outputs of these alone.

    parts: the classes of each part that is judged by itself.
    """
    of_parts = [np.isin(part.labels, classes) for classes in parts]
    counts = (
        (int((own & part.of(Group.FORGET)).sum()), int((own & part.of(Group.HOLDOUT)).sum()))
        for own in of_parts
    )
    sides = [part.subjects[part.of(group)] for group in (Group.FORGET, Group.HOLDOUT)]
    (examples, subjects), (holdout, holdout_subjects) = (
        (len(side), len(np.unique(side))) for side in sides
    )
    return Case(
        examples=examples,
        subjects=subjects,
        holdout=holdout,
        holdout_subjects=holdout_subjects,
        likeness=likeness,
        parts=tuple(counts) if len(of_parts) > 1 else (),
    )


def likeness_of(scores: FloatArray, subjects: IntArray) -> float:
    """Give the share of the scores' variance that examples of one subject have in common.

    scores: (shadows, n), NaN where a shadow saw the example. The intraclass
    correlation, averaged over the shadows and not taken to be below 0; 0 where every subject has
    one example.
    """
    found = [intraclass(row[seen], subjects[seen]) for row in scores for seen in [~np.isnan(row)]]
    known = [share for share in found if np.isfinite(share)]
    return float(np.clip(np.mean(known), 0, 1)) if known else 0.0


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
    since all are tried on the same examples. Its intervals are of the level that so many attempts
    have each.
    """
    passes, fprs, level = [], _fprs(case, gate), level_of_each(attempts)
    for block in _blocks(runs):
        common = drawn(case, rng, block, gate.doors)
        tried = [common.near(drawn(case, rng, block, gate.doors), shared) for _ in range(attempts)]
        found = (measured(case, one, auc=auc, fprs=fprs, level=level) for one in tried)
        passes.append(np.array([[_passes(known, m, gate) for m in of] for of in found]).T)
    return np.asarray(np.logical_or.accumulate(np.concatenate(passes), axis=1).mean(0))


def _passes(
    known: Mapping[str, Measurement], found: Mapping[str, Measurement], gate: Forgetting
) -> bool:
    return gate.judge({**known, **found}).outcome is Outcome.PASSED
