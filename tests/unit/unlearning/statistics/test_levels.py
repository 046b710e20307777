"""What verifies without scipy says what scipy says."""

from __future__ import annotations

import pytest
from scipy import stats

from unlearning.statistics.intervals import clopper_pearson
from unlearning.statistics.levels import Interval, binomial, held_together


@pytest.mark.parametrize("n", [1, 2, 3, 10, 59, 400])
def test_whole_numbers_have_clopper_and_pearsons_interval(n: int) -> None:
    for hits in {0, 1, n // 3, n // 2, n - 1, n}:
        exact, ours = clopper_pearson(hits, n), binomial(hits, n)
        assert (ours.value, ours.low, ours.high) == pytest.approx(
            (exact.value, exact.low, exact.high), abs=1e-10
        )


def test_ten_claims_at_once_widen_by_bonferroni() -> None:
    found = held_together(Interval(0.5, 0.4, 0.7), 10)
    wider = stats.norm.ppf(1 - 0.0025) / stats.norm.ppf(0.975)
    assert (found.low, found.high) == pytest.approx((0.5 - 0.1 * wider, 0.5 + 0.2 * wider))


def test_a_level_of_one_is_sure_of_nothing() -> None:
    found = held_together(Interval(0.5, 0.4, 0.7), 1e18)
    assert (found.low, found.high) == (float("-inf"), float("inf"))
