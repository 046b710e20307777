"""The rule for several gates and several attempts, simulated.

Gates: every one must pass, so a candidate that is beyond one limit is released no more often than
that one gate errs; more gates can only lower it (an intersection-union test needs no correction).
Attempts: each may err anew, so each gets its part of the error that one would be allowed
(Bonferroni): the more approximate rungs a policy has, the wider the intervals of each. Exact
retraining, which cannot pass by luck, is not one of those that count.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from unlearning.domain import Measurement, Outcome, Verdict
from unlearning.gates.forgetting import Forgetting
from unlearning.judging.verdicts import decide
from unlearning.statistics.power import assumed, false_pass
from unlearning.statistics.simulation import Case

GATE = Forgetting(
    limits_by_size=[{"examples": 100, "holdout": 250, "auc": 0.60, "tail": 0.15, "fpr": 0.05}]
)
CASE = Case(examples=200, subjects=200, holdout=300, holdout_subjects=300)
KNOWN: dict[str, Measurement] = assumed(CASE, 16, champion=0.8)
RUNS = 200


@cache
def passed(auc: float, shared: float) -> np.ndarray:
    rng = np.random.default_rng(7)
    return false_pass(CASE, KNOWN, GATE, rng, auc=auc, attempts=4, shared=shared, runs=RUNS)


def above(share: float) -> float:
    """Three standard deviations of a share of RUNS above it."""
    return share + 3 * float(np.sqrt(share * (1 - share) / RUNS))


def test_one_attempt_at_the_limit_passes_one_time_in_forty_at_most() -> None:
    """The interval is of 95 %, so its upper end is below the truth in 2.5 % of cases. The tails are
    asked as well, which can only lower it."""
    rng = np.random.default_rng(7)
    found = false_pass(CASE, KNOWN, GATE, rng, auc=0.60, attempts=1, shared=0.0, runs=RUNS)
    assert found[0] <= above(0.025)


@pytest.mark.parametrize("shared", [0.0, 0.5])
def test_four_attempts_pass_no_more_than_one_would(shared: float) -> None:
    """Being tried on the same examples (correlation .5), attempts err together rather than anew."""
    found = passed(0.60, shared)
    assert list(found) == sorted(found)
    assert found[-1] <= above(0.025)


def test_beyond_the_limit_luck_soon_ends() -> None:
    """AUC .65, four attempts, 200 runs: below the 2 % that the operating table allows."""
    assert passed(0.65, 0.0)[-1] <= 0.02


def test_more_gates_release_no_more() -> None:
    """Three gates that each err one time in four, independently, release one in 64: the product,
    and never more than the least of the three."""
    rng = np.random.default_rng(0)
    errs = rng.random((10_000, 3)) < 0.25
    outcomes = (Outcome.FAILED, Outcome.PASSED)
    released = [
        decide([Verdict("g", outcomes[int(e)], "") for e in run], exact=False) == "released"
        for run in errs
    ]
    assert np.mean(released) == pytest.approx(1 / 64, abs=0.004)
    assert np.mean(released) <= errs.mean(0).min()
