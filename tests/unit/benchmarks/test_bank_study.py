"""The bank study's arithmetic against numbers counted by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.bank_study import shares, study, tables
from benchmarks.bank_study.cells import CHAMPION, RETRAINED, SHADOW, Draws, Seen
from benchmarks.bank_study.shares import Bank, Shelf
from benchmarks.gates.grounds import Asked, Good, Ground
from benchmarks.means import mean_of, write_page
from unlearning.errors import UsageError

PEOPLE = np.repeat([f"{person:02d}" for person in range(40)], 3)
"""40 people of 3 examples."""


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_a_shadow_sees_its_share_of_whole_people(share: float) -> None:
    """Of 40 people 10, 20 or 30; the three examples of a person go together."""
    seen = shares.draw_shares(PEOPLE, 8, share, np.random.default_rng(0))
    assert (seen.sum(1) == 120 * share).all()
    assert (seen.reshape(8, 40, 3).all(2) == seen.reshape(8, 40, 3).any(2)).all()


@pytest.mark.parametrize(("share", "unseen"), [(0.25, 3), (0.5, 2), (0.75, 1)])
def test_every_example_is_unseen_by_equally_many_of_each_four(share: float, unseen: int) -> None:
    seen = shares.draw_shares(PEOPLE, 8, share, np.random.default_rng(1))
    assert ((~seen).reshape(2, 4, -1).sum(1) == unseen).all()


def test_fewer_shadows_are_the_first_of_more() -> None:
    few, many = (
        shares.draw_shares(PEOPLE, shadows, 0.75, np.random.default_rng(2)) for shadows in (8, 16)
    )
    assert (many[:8] == few).all()


def test_shares_and_numbers_that_cannot_be_drawn_are_refused() -> None:
    with pytest.raises(UsageError, match=r"share 0\.6"):
        shares.draw_shares(PEOPLE, 8, 0.6, np.random.default_rng(0))
    with pytest.raises(UsageError, match="multiple of 4"):
        shares.draw_shares(PEOPLE, 6, 0.25, np.random.default_rng(0))


def test_a_smaller_bank_is_made_of_whole_groups() -> None:
    """Eight of sixteen shadows that saw a quarter: two of the groups 0-3, 4-7, 8-11, 12-15."""
    which = shares.draw_groups(16, 8, 0.25, np.random.default_rng(3))
    assert len(set(which.tolist())) == 8
    assert (which.reshape(2, 4) % 4 == np.arange(4)).all()


def test_the_products_shadows_are_read_where_they_are(tmp_path: Path) -> None:
    """Only shadows that saw a half are the product's, and only those that its bank has."""
    halves = tmp_path / "product"
    halves.mkdir()
    (halves / "shadow-000.safetensors").touch()
    shelf = Shelf(tmp_path / "study", halves)
    assert shelf.path(0.5, 0).parent == halves
    assert shelf.path(0.5, 1).parent == tmp_path / "study" / "share-50"
    assert shelf.path(0.75, 0).parent == tmp_path / "study" / "share-75"


def test_banks_of_all_sizes_that_fit_are_drawn() -> None:
    """Of a bank of 8: two of 4, and the whole once, however many draws are asked for."""
    draws = Draws({0.5: bank(8)}, sizes=(4, 8, 16), draws=2)
    assert [(size, draw) for _, size, draw, _ in draws.all(seed=0)] == [(4, 0), (4, 1), (8, 0)]


def bank(shadows: int) -> Bank:
    nothing = np.zeros((shadows, 1), dtype=bool)
    per_shadow = np.zeros(shadows)
    return Bank(np.array(["0"]), nothing, np.zeros((shadows, 1, 2)), per_shadow, per_shadow)


def seen(network: str, auc: float, **changed: object) -> Seen:
    """Of a band from .4 to .6, seed 0, first draw."""
    row = {"seed": 0, "draw": 0, "said": "PASSED", "tail": 0.1, "null": (0.4, 0.5, 0.6), **changed}
    mark = {"share": 0.5, "shadows": 8, "calibration": "mean", "kind": "random", "size": 100}
    return Seen(network=network, auc=auc, **mark, **row)  # type: ignore[arg-type]


def test_coverage_counts_networks_not_draws() -> None:
    """Two networks, two draws each: one is always inside .4 to .6, one in one draw: 1.5 of 2."""
    rows = [
        seen(RETRAINED, 0.5, draw=0),
        seen(RETRAINED, 0.6, draw=1),
        seen(RETRAINED, 0.45, draw=0),
        seen(RETRAINED, 0.39, draw=1),
    ]
    found = tables.share_of(rows, tables.covered)
    assert found.value == 0.75
    assert found.low < 0.15  # as of two networks; of four it would be .19
    assert tables.reach(rows[3]) == pytest.approx(1.1)


def test_seeds_are_averaged_before_their_interval() -> None:
    """Seeds .5 and .7, however many rows each has: mean .6, t(1) = 12.706 times .1."""
    rows = [seen(CHAMPION, 0.4), seen(CHAMPION, 0.6), seen(CHAMPION, 0.7, seed=1)]
    found = tables.by_seed(rows, lambda row: row.auc)
    assert found.value == pytest.approx(0.6)
    assert found.high == pytest.approx(0.6 + 12.7062 * 0.1, abs=1e-4)
    assert mean_of([0.5]).low == -np.inf


def test_a_line_of_the_table() -> None:
    """A champion at .7 that fails, one of two retrained models that passes, a shadow outside."""
    rows = [
        seen(CHAMPION, 0.7, said="FAILED"),
        seen(RETRAINED, 0.5),
        seen(RETRAINED, 0.58, said="INCONCLUSIVE"),
        seen(SHADOW, 0.65, said=None),
    ]
    (line,) = tables.table(rows)
    assert line["networks"] == {CHAMPION: 1, RETRAINED: 2, SHADOW: 1}
    assert line["champion"]["FAILED"][0] == 1
    assert [line["retrained"][said][0] for said in ("PASSED", "FAILED", "INCONCLUSIVE")] == [
        0.5,
        0,
        0.5,
    ]
    assert (line["covered"][0], line["covered, shadows"][0]) == (1, 0)
    assert line["null width"][0] == pytest.approx(0.2)
    assert line["retrained AUC"][0] == pytest.approx(0.54)
    assert "50% / 0% / 50%" in tables.page([line])


def test_a_bank_that_is_too_small_has_its_reason_and_no_numbers() -> None:
    rows = [seen(kind, np.nan, said="fewer than 3 shadows") for kind in (CHAMPION, RETRAINED)]
    (line,) = tables.table(rows)
    assert line["too small"] == "fewer than 3 shadows"
    assert "covered" not in line
    assert "too small: fewer than 3 shadows" in tables.page([line])


def test_only_what_is_there_is_judged(tmp_path: Path) -> None:
    """A ground without its champion, a retrained model without its file, ten examples: left out."""
    champion, model = tmp_path / "champion", tmp_path / "model"
    champion.touch()
    model.touch()
    nobody = np.zeros(1, dtype=bool)
    sets = tuple(Asked("random", size, nobody, nobody) for size in (10, 100))
    goods = (Good("here", model, 0), Good("missing", tmp_path / "none", 0))
    whole = Ground("a", 0, champion, nobody, goods, sets)
    headless = Ground("b", 0, tmp_path / "none", nobody, goods, sets)
    untrained = Ground("c", 0, champion, nobody, goods[1:], sets)
    (kept,) = study.kept([whole, headless, untrained])
    assert [good.name for good in kept.goods] == ["here"]
    assert [asked.size for asked in kept.asked] == [100]


def test_a_page_says_what_it_was_measured_on(tmp_path: Path) -> None:
    result = tmp_path / "toy.json"
    result.write_text(
        '{"benchmark": "toy", "hardware": {"cpu": "a chip", "cores": 2}, '
        '"versions": {"torch": "2"}}'
    )
    write_page(result, "3 seeds.", "| a |\n")
    text = result.with_suffix(".md").read_text()
    assert text.startswith("# toy\n\n3 seeds.\n\na chip, 2 cores; torch 2.")
    assert text.endswith("toy.json.\n\n| a |\n")
