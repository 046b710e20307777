"""The operating table's counting, pooling and demands, on rows that can be counted by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from benchmarks.gates import tables
from benchmarks.gates.grounds import asked
from benchmarks.gates.tables import Row
from systems.settings.policy import ELSEWHERE

AUC = {"forget_auc": (0.70, 0.40, 0.60), "accuracy_drop": (0.0, -1.0, 0.05)}


def row(**changes: object) -> Row:
    """Give an untouched champion that is refused, which the usual gate would release."""
    plain = Row(
        kind="random",
        size=500,
        seed=0,
        candidate="untouched",
        is_a="gross",
        decision="refused",
        reasons={},
        usual="released",
        power=0.9,
        decidable=True,
        limited=True,
        bounds=AUC,
        alone={"attack": False, "refitted": True},
    )
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def demand(rows: list[Row], words: str) -> tables.Demand:
    found = [d for d in tables.demands(rows) if d.demand.startswith(words)]
    assert len(found) == 1
    return found[0]


def good(decision: str, **changes: object) -> Row:
    inside = {"forget_auc": (0.5, 0.4, 0.6)}
    return row(candidate="retrained", is_a="good", decision=decision, bounds=inside, **changes)


def test_an_effect_is_the_mean_over_seeds_against_the_mean_limit() -> None:
    """AUCs of .55 and .63 against limits of .60 and .50: .59 is beyond .55. Against .60 and .60 it
    is not, although one seed is."""
    first, second = {"forget_auc": (0.55, 0.4, 0.6)}, {"forget_auc": (0.63, 0.5, 0.5)}
    assert tables.beyond([row(bounds=first), row(bounds=second)]) == ["forget_auc"]
    second = {"forget_auc": (0.63, 0.4, 0.6)}
    assert tables.beyond([row(bounds=first), row(bounds=second)]) == []


def test_an_effect_that_is_no_number_is_beyond_every_limit() -> None:
    broken = {"forget_auc": (float("nan"), 0.4, 0.6)}
    assert tables.beyond([row(), row(bounds=broken)]) == ["forget_auc"]


def test_shares_have_exact_intervals() -> None:
    """None of n rows: the upper end of the 95 % interval is 1 - .025^(1/n)."""
    found = tables.share([row()] * 50, lambda r: r.decision == "released")
    assert found is not None and found.value == 0
    assert found.high == pytest.approx(1 - 0.025 ** (1 / 50))
    assert tables.share([], lambda r: True) is None


def test_half_a_percent_at_most_needs_736_gross_ones_without_a_release() -> None:
    """1 - .025^(1/n) <= .005 from n = 736 on."""
    for n, met in ((735, False), (736, True)):
        assert demand([row()] * n, "gross").met is met


def test_what_is_bad_follows_from_what_was_done_and_not_from_what_was_measured() -> None:
    """One that looks harmless in every number and is released counts like any other: 1 of 40."""
    harmless = row(is_a="bad", bounds={"forget_auc": (0.5, 0.4, 0.6)}, decision="released")
    others = [row(is_a="bad")] * 39
    found = demand([harmless, *others], "bad")
    assert found.n == 40 and not found.met
    assert demand([harmless, *others, *others], "bad").met


def test_a_gross_one_must_not_be_released_where_no_limit_applies_either() -> None:
    assert not demand([row()] * 999 + [row(decision="released", limited=False)], "gross").met


def test_a_way_of_asking_counts_for_itself_where_no_other_holds_back() -> None:
    """Two are held back by the attack, one of them by the refitted layer too; a third by that."""
    rows = [
        row(),
        row(alone={"attack": False, "refitted": False}),
        row(alone={"attack": True, "refitted": False}),
    ]
    (found,) = tables.by_door(rows)
    assert found["held"] == {"attack": [2, 1, 3], "refitted": [2, 1, 3]}


def test_good_ones_are_asked_for_where_the_case_is_decidable() -> None:
    """Four of five decidable ones are released: 80 %. The sixth is not decidable."""
    rows = [good("released")] * 4 + [good("inconclusive"), good("inconclusive", decidable=False)]
    found = demand(rows, "good, decidable: released")
    assert found.n == 5 and found.met
    assert not demand([*rows, good("inconclusive")], "good, decidable: released").met


def test_always_answering_inconclusive_is_no_way_out() -> None:
    rows = [row(decision="inconclusive")] * 300 + [good("inconclusive")] * 300
    met = {d.demand.split(":")[0]: d.met for d in tables.demands(rows) if "least" in d.demand}
    assert met == {"good, decidable": False}


def test_nothing_to_count_meets_no_demand() -> None:
    assert [d.met for d in tables.demands([])] == [False] * 5


def test_good_ones_are_refused_at_most_once_in_fifty() -> None:
    rows = [good("released")] * 49 + [good("refused")]
    assert demand(rows, "good, all: refused").met
    assert not demand([*rows[1:], good("refused")], "good, all: refused").met


def test_shown_ones_count_in_no_demand() -> None:
    shown = row(is_a="shown", decision="released")
    assert all(d.n == 0 for d in tables.demands([shown]))


def test_the_table_counts_seeds_of_one_cell_together() -> None:
    rows = [row(seed=0), row(seed=1, decision="inconclusive"), row(size=100, decidable=False)]
    large, small = tables.table(rows)
    assert (large["n"], large["refused"][0], large["inconclusive"][0]) == (2, 0.5, 0.5)
    assert (large["decidable"], small["decidable"]) == (2, 0)
    assert large["attack AUC"] == 0.7 and large["released by the usual gate"][0] == 1
    assert large["beyond its limits"] == ["forget_auc"]


def test_candidates_are_pooled_where_limits_apply() -> None:
    rows = [row(), row(size=100, decision="released"), row(size=10, limited=False)]
    (found,) = tables.by_candidate(rows)
    assert (found["n"], found["released"][0]) == (2, 0.5)


def test_the_page_says_plainly_what_is_not_met() -> None:
    page = tables.page([row(), good("refused")])
    assert "**not met**" in page and "| random | 500 | 90% | 0 / 1 / 0, 1 |" in page


def test_a_half_forgotten_set_is_half_of_what_was_never_seen() -> None:
    """Examples 0-5; 1, 3 and 5 were never seen. In the order 5, 4, 3, 2, 1, 0 the first two of
    these are 5 and 3. The half set is 5 and, of those seen, 4."""
    unseen = np.array([0, 1, 0, 1, 0, 1], dtype=bool)
    found = asked("random", np.arange(6), np.arange(6)[::-1], unseen, 2)
    assert np.flatnonzero(found.forgets).tolist() == [3, 5] and found.size == 2
    assert np.flatnonzero(found.half).tolist() == [4, 5]


def test_units_are_asked_for_whole() -> None:
    """Subjects 0, 0, 1, 1, 2, 2, of whom 1 and 2 were never seen: one of them, then half of none
    is still one beside one who was seen."""
    units = np.array([0, 0, 1, 1, 2, 2])
    found = asked("subject", units, np.array([2, 0, 1]), units > 0, 1)
    assert np.flatnonzero(found.forgets).tolist() == [4, 5] and found.size == 2
    assert np.flatnonzero(found.half).tolist() == [0, 1, 4, 5]


def test_results_of_other_champions_are_added_as_if_counted_at_once() -> None:
    first = [row()] * 400 + [good("released")] * 9 + [good("refused")]
    others = [row(seed=1)] * 400 + [good("released", seed=1)]
    apart = [[d.as_json() for d in tables.demands(rows)] for rows in (first, others)]
    at_once = [d.as_json() for d in tables.demands([*first, *others])]
    assert tables.pooled(apart) == at_once
    assert not apart[0][0]["met"] and at_once[0]["met"]


def test_judge_decides_on_many_examples_alone() -> None:
    """All count as made elsewhere: below so many whoever passes is left undecided."""

    def cell(candidate: str, size: int, decision: str) -> dict[str, object]:
        return {"candidate": candidate, "size": size, "decision": decision, "usual": "refused"}

    cells = [
        cell("imitation", ELSEWHERE - 1, "released"),
        cell("imitation", ELSEWHERE, "refused"),
        cell("untouched", ELSEWHERE, "released"),
    ]
    is_a = {"imitation": "bad", "untouched": "gross"}
    found = tables.as_judged(cells, is_a)
    assert (found["n"], found["found"][0], found["met"]) == (2, 0.0, True)
    more = tables.as_judged([*cells, cell("imitation", ELSEWHERE, "released")], is_a)
    assert (more["found"][0], more["met"]) == (0.3333, False)
