"""The arithmetic of a year, against closed forms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.lineage import economics
from benchmarks.pages import results
from benchmarks.year import simulate, strategies
from benchmarks.year.measured import Measured, measured
from systems.settings.budget import Budget
from unlearning.errors import UsageError

RNG = 0


def alone(*people: int) -> list[np.ndarray]:
    return [np.array([person]) for person in people]


def years(rate: float, window: float, count: int = 60) -> list[simulate.Served]:
    drawn = (simulate.drawn(rate, np.random.default_rng([1, year])) for year in range(count))
    return [simulate.served(*one, window) for one in drawn]


@pytest.mark.parametrize("window", [7.0, 16.0])
def test_a_run_serves_its_first_and_those_who_come_while_it_waits(window: float) -> None:
    """1 + rate * window; the year's end cuts the last run off."""
    a_day = 100 * 12 / economics.DAYS
    whole = [len(run) for year in years(100, window) for run in year.runs[:-1]]
    assert np.mean(whole) == pytest.approx(1 + a_day * window, rel=0.02)


def test_the_first_waits_for_the_window_and_the_others_for_half_of_it() -> None:
    a_day, window = 100 * 12 / economics.DAYS, 7.0
    waited = np.concatenate([year.waited for year in years(100, window)])
    later = a_day * window
    expected = (window + later * window / 2) / (1 + later)
    assert waited.mean() == pytest.approx(expected, rel=0.02)
    assert waited.min() >= 0 and waited.max() <= window + 1e-9


def test_everybody_is_served_once_and_nobody_twice() -> None:
    (found,) = years(10, 7.0, 1)
    people = np.concatenate(found.runs)
    assert len(people) == len(np.unique(people)) == len(found.waited)


def test_requests_come_by_a_poisson_process() -> None:
    """Variance as large as the mean: 120 a year."""
    counts = [len(year.waited) for year in years(10, 0.0, 400)]
    assert np.mean(counts) == pytest.approx(120, rel=0.02)
    assert np.var(counts) == pytest.approx(120, rel=0.25)


def test_a_person_costs_one_shard_of_sisa_and_many_cost_what_they_hit() -> None:
    """1 / S; of B at random 1 - (1 - 1 / S)^B of all are trained anew."""
    rng = np.random.default_rng(RNG)
    assert strategies.sisa(alone(3), rng).candidates == pytest.approx(1 / 5)
    runs = [rng.choice(economics.PEOPLE, 10, replace=False) for _ in range(400)]
    spent = strategies.sisa(runs, rng).candidates / len(runs)
    assert spent == pytest.approx(1 - (1 - 1 / 5) ** 10, abs=0.02)


def test_a_warm_run_costs_its_own_its_shard_and_where_it_fails_a_retraining() -> None:
    rng = np.random.default_rng(RNG)
    released = strategies.warm(1.0)(alone(0, 1), rng)
    failed = strategies.warm(0.0)(alone(0, 1), rng)
    assert (released.candidates, released.upkeep) == pytest.approx((0.6, 2 / 4))
    assert (failed.candidates, failed.upkeep) == pytest.approx((2.6, 2 / 4))
    assert released.approximate == 0


def test_an_attempt_that_is_never_released_costs_both() -> None:
    found = strategies.approximate_first(0.5, 0.0)(alone(*range(10)), np.random.default_rng(RNG))
    assert (found.candidates, found.approximate) == (pytest.approx(15.0), 0)


def test_the_drift_budget_asks_for_an_exact_training_after_so_many_releases() -> None:
    """All would be released: five of six are, and the sixth is a retraining."""
    releases = Budget().releases
    runs = alone(*range(2 * (releases + 1)))
    found = strategies.approximate_first(0.5, 1.0)(runs, np.random.default_rng(RNG))
    assert found.approximate == 2 * releases
    assert found.candidates == pytest.approx(2 * (releases * 0.5 + 1))


def test_half_the_cost_breaks_even_at_half_the_chance() -> None:
    """c + (1 - p): without the budget's exact trainings, which a chance of .5 seldom meets."""
    runs = alone(*range(9_000))
    found = strategies.approximate_first(0.5, 0.5)(runs, np.random.default_rng(RNG))
    assert found.candidates / len(runs) == pytest.approx(1.0, abs=0.02)


def test_every_candidate_is_judged_and_a_failed_one_on_top() -> None:
    """.2 each and .1 a run: .3 where one is tried; .5 where the first fails; SISA's five networks
    take five times as much."""
    judging, year = simulate.Judging(0.2, 0.1), simulate.Served(alone(0), np.zeros(1))
    rng = np.random.default_rng(RNG)

    def judged(name: str) -> float:
        found = Measured(28.0, 0.1, 0.45, 0, 4)
        one = next(s for s in strategies.all_of(found) if s.name.startswith(name))
        return judging.of(year, one.spend(year.runs, rng), one.networks)

    assert judged("retrain") == judged("head") == pytest.approx(0.3)
    assert judged("warm, 4 bases: all released") == pytest.approx(0.3)
    assert judged("warm, 4 bases: none released") == pytest.approx(0.5)
    assert judged("approximate first: released as measured") == pytest.approx(0.5)
    assert judged("SISA") == pytest.approx(5 * 0.3)


def test_a_retraining_that_is_judged_costs_both() -> None:
    strategy = strategies.all_of(Measured(28.0, 0.1, 0.45, 0, 4))[:1]
    found = simulate.rows(strategy, simulate.Judging(0.2, 0.1), 20, 0)
    row = next(r for r in found if r["served"] == "each alone")
    assert row["each"]["mean"] == pytest.approx(1.3)
    assert row["judging_each"]["mean"] == pytest.approx(0.3)


def test_without_the_results_it_is_reckoned_from_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An installed package has the modules and no results."""
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    with pytest.raises(UsageError, match="from a checkout"):
        measured()


def test_what_is_reckoned_from_are_the_results_that_are_there() -> None:
    found = measured()
    assert found.downdating < found.retraining and 0 < found.approximate < 1
    assert 0 <= found.released <= found.tried
    assert 0 < found.judging_once < found.judging < 1


def test_a_row_tells_where_the_years_lie() -> None:
    found, judging = Measured(28.0, 0.1, 0.45, 0, 4), simulate.Judging(0.2, 0.1)
    each = strategies.all_of(found)[::4]
    told = list(simulate.rows(each, judging, 20, 0))
    assert len(told) == len(each) * 3 * len(economics.RATES)
    for row in told:
        assert row["each"]["low"] <= row["each"]["mean"] <= row["each"]["high"]
        assert row["exact_share"]["low"] >= 0 and row["exact_share"]["high"] <= 1
    again = list(simulate.rows(each[:1], judging, 20, 0))
    assert again == [r for r in told if r["strategy"] == "retrain"]
