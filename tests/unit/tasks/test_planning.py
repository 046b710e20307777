"""Where to begin, what collecting gives: arithmetic against closed forms."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ledger import keys
from systems.settings.collect import Collect
from systems.settings.workspace import Workspace
from tasks.planning import waiting as planning
from tasks.planning.foresee import most_of, retrain_chance
from tasks.planning.rungs import cheapest_start, expected_passes, levels, with_exact
from tasks.planning.waiting import collecting_told, shared
from tasks.running.opened import Opened
from tests.unit.submitted import accepted
from unlearning.statistics.intervals import Interval, poisson

NOW = datetime(2026, 6, 1, tzinfo=UTC)
RATE = Interval(4.0, 3.0, 5.0)


def rung(method: str, passes: int, released: float | None, **more: Any) -> dict[str, Any]:
    chance = None if released is None else {"value": released}
    exact = method == "retrain"
    return {
        "method": method,
        "passes": passes,
        "chance": chance,
        "at_most": None,
        "exact": exact,
        "assurance": "A3" if exact else "A2",
        **more,
    }


RETRAIN = rung("retrain", 100, 0.99)


def test_failing_costs_its_own_and_all_that_follows() -> None:
    """c + (1 - p) of the rest: 10 + .8 * (50 + .5 * 100) = 90."""
    ladder = [rung("a", 10, 0.2), rung("b", 50, 0.5), RETRAIN]
    assert expected_passes(ladder) == pytest.approx([90, 100, 100])


@pytest.mark.parametrize(("released", "start"), [(0.49, "retrain"), (0.51, "finetune")])
def test_half_the_cost_pays_from_half_the_chance_on(released: float, start: str) -> None:
    found = cheapest_start([rung("finetune", 50, released), RETRAIN], rate=10.0)
    assert found is not None and found["method"] == start
    assert found["expected_seconds"] == pytest.approx(min(100, 150 - 100 * released) / 10)


def test_what_is_unknown_is_not_passed_over() -> None:
    found = cheapest_start([rung("finetune", 50, None), RETRAIN], rate=None)
    assert found is not None
    assert (found["method"], found["expected_passes"]) == ("finetune", 150)
    assert found["expected_seconds"] is None


def test_what_is_known_to_fail_is_passed_over_for_what_is_unknown() -> None:
    ladder = [rung("a", 10, 0.0), rung("b", 50, None), RETRAIN]
    found = cheapest_start(ladder, rate=None)
    assert found is not None and found["method"] == "b"


@pytest.mark.parametrize(("most", "start"), [(0.49, "retrain"), (0.51, "finetune")])
def test_what_could_not_pay_even_at_its_most_is_passed_over(most: float, start: str) -> None:
    """A perfect retrain would pass in so many cases: nothing that costs half pays below a half."""
    ladder = [rung("finetune", 50, None, at_most={"high": most}), RETRAIN]
    found = cheapest_start(ladder, rate=None)
    assert found is not None and found["method"] == start


def test_the_most_is_known_where_the_champion_was_measured() -> None:
    power = {"passed": 0.02, "low": 0.01, "high": 0.04, "draws": 400, "champion_measured": True}
    found = most_of(power)
    assert found is not None and (found["value"], found["high"], found["n"]) == (0.02, 0.04, 400)
    assert most_of({**power, "champion_measured": False}) is None
    assert most_of({**power, "draws": 0}) is None and most_of(None) is None


def test_a_rung_that_is_left_out_is_no_start() -> None:
    ladder = [rung("a", 1, 0.9, skipped="hopeless"), RETRAIN]
    found = cheapest_start(ladder, rate=None)
    assert found is not None and found["method"] == "retrain"
    assert levels(ladder, untouched=False) == ["A3"]
    assert cheapest_start([], rate=None) is None and levels([], untouched=True) == ["A1"]


def test_a_warm_start_is_released_at_most_as_often_as_an_honest_retrain() -> None:
    """Its accuracy, which no simulation knows, may hold it back."""
    chance = {"value": 0.99, "low": 0.98, "high": 1.0}
    warm, exact, approximate = with_exact(
        [
            rung("warm_retrain", 30, None, exact=True),
            rung("retrain", 100, None),
            rung("finetune", 50, None),
        ],
        chance,
    )
    assert (warm["chance"], warm["at_most"]) == (None, chance)
    assert (exact["chance"], exact["at_most"]) == (chance, None)
    assert (approximate["chance"], approximate["at_most"]) == (None, None)


def test_an_honest_retrain_is_held_back_by_what_fails_alone() -> None:
    """Of 400 draws 100 pass and 4 fail: lineage stands in for the 296 that decide nothing."""
    found = retrain_chance({"power": {"passed": 0.25, "failed": 0.01, "draws": 400}})
    assert found is not None and found["value"] == pytest.approx(0.99)
    assert found["low"] < 0.99 < found["high"] and found["n"] == 400
    assert retrain_chance({"power": None}) is None
    assert retrain_chance({"power": {"failed": 0.0, "draws": 0}}) is None


def waiting(*days: int) -> list[tuple[datetime, datetime]]:
    """Requests that were received so many days ago, with 30 days each."""
    return [(NOW - timedelta(d), NOW - timedelta(d) + timedelta(30)) for d in days]


def test_a_batch_is_what_waits_and_what_is_expected_to_come() -> None:
    """30 days less 14 of margin less 7 gone: 9 days of 4 a day, and one that is there."""
    found = shared(Collect(), waiting(7), RATE, NOW, history=100)
    assert found == {"days": 9.0, "requests": {"value": 37.0, "low": 28.0, "high": 46.0}}


def test_the_expected_batch_is_that_of_a_poisson_process() -> None:
    rng = np.random.default_rng(0)
    drawn = 1 + rng.poisson(RATE.value * 9, size=20_000)
    found = shared(Collect(), waiting(7), RATE, NOW, history=100)
    assert float(drawn.mean()) == pytest.approx(found["requests"]["value"], abs=0.2)


def test_the_policys_number_ends_the_wait() -> None:
    """21 of which one is there: 20 more at 4 a day take 5 days."""
    found = shared(Collect(requests=21), waiting(7), RATE, NOW, history=100)
    assert found == {"days": 5.0, "requests": {"value": 21, "low": 21, "high": 21}}


def test_the_policys_days_end_the_wait() -> None:
    assert shared(Collect(days=10), waiting(7), RATE, NOW, history=100)["days"] == 3.0


def test_nothing_is_foretold_for_longer_than_the_log_goes_back() -> None:
    assert shared(Collect(), waiting(7), RATE, NOW, history=2.5)["days"] == 2.5


def test_a_deadline_that_is_near_leaves_no_time() -> None:
    found = shared(Collect(), waiting(1, 20), RATE, NOW, history=100)
    assert found == {"days": 0.0, "requests": {"value": 2.0, "low": 2.0, "high": 2.0}}


@pytest.fixture
def at(tmp_path: Path) -> Opened:
    """A workspace whose log begins now."""
    ws = Workspace.at(tmp_path)
    ws.records.mkdir()
    keys.create_keys(ws.keys, ws.records)
    at = Opened(str(ws.root))
    at.ledger.record("initialised", {}, key="initialised", now=NOW)
    return at


def told(at: Opened, monkeypatch: pytest.MonkeyPatch, days: float, count: int) -> Any:
    """Ask so many days later, when so many have come, of a retraining of 30 seconds."""
    later = NOW + timedelta(days)
    refs = [accepted(at.ledger, NOW + (i + 1) * timedelta(days) / count).ref for i in range(count)]
    monkeypatch.setattr(planning, "utc_now", lambda: later)
    ladder = [{"method": "retrain", "estimated_seconds": 30.0}]
    return collecting_told(at, Collect(), refs[-1:], ladder)


def test_the_workspaces_own_rate_tells_what_waiting_gives(
    at: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five in ten days, none of them served: by the margin half a request a day came on top."""
    found = told(at, monkeypatch, days=10, count=5)
    assert found["rate_per_day"] == {**_rate(5, 10), "n": 5, "days": 10.0}
    assert 0 < found["days"] <= 10
    assert found["requests"]["value"] == pytest.approx(5 + 0.5 * found["days"], abs=0.06)
    assert found["seconds_each"] == pytest.approx(30 / found["requests"]["value"], abs=0.01)
    assert "share one retrain" in found["words"] and "instead of 30 s" in found["words"]


def _rate(events: int, days: float) -> dict[str, float]:
    found = poisson(events, days)
    return {name: round(getattr(found, name), 4) for name in ("value", "low", "high")}


@pytest.mark.parametrize(("days", "count"), [(0.5, 5), (10, 0)])
def test_without_a_history_nothing_is_foretold(
    at: Opened, monkeypatch: pytest.MonkeyPatch, days: float, count: int
) -> None:
    assert told(at, monkeypatch, days, count) is None


def test_a_rate_has_garwoods_interval() -> None:
    """None in ten days: at most -ln(.025) / 10 a day. Ten: 4.795 to 18.39, as tables have it."""
    none, ten = poisson(0, 10.0), poisson(10, 1.0)
    assert (none.value, none.low) == (0, 0)
    assert none.high == pytest.approx(-np.log(0.025) / 10)
    assert (ten.low, ten.high) == pytest.approx((4.795, 18.39), abs=0.005)
