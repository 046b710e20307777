"""When a shadow bank has to be built again, by numbers worked by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.unit.unlearning.bank.test_shadows import PLAN, build
from unlearning.bank.shadows import Bank, load_bank, without_examples
from unlearning.bank.state import LARGEST_ERASED, state_in, state_of


def bank(left: int, shadows: int = 8, unseen: int = 4) -> Bank:
    """Give a bank of which the first column is unseen by so many shadows, the others by half."""
    seen = np.zeros((shadows, left), dtype=bool)
    seen[shadows // 2 :] = True
    seen[:, 0] = np.arange(shadows) >= unseen
    ones = np.ones(shadows)
    ids = np.array([f"e{k}" for k in range(left)])
    return Bank(ids, seen, np.zeros((shadows, left, 2), np.float32), ones, ones)


def test_half_a_doubling_is_left_at_the_largest_share() -> None:
    """Log2 of 2 (1 - share): 1 before anybody is erased, 1/2 at 29.3 %."""
    assert np.log2(2 * (1 - LARGEST_ERASED)) == pytest.approx(0.5)
    assert pytest.approx(0.2928932) == LARGEST_ERASED


def test_a_bank_that_nobody_left_stays() -> None:
    state = state_of(bank(100), built=100, smallest=8)
    assert (state.erased, state.unseen, state.seen, state.rebuild) == (0.0, 4, 4, None)


@pytest.mark.parametrize(("left", "again"), [(71, False), (70, True)])
def test_it_is_rebuilt_when_more_than_the_largest_share_is_erased(left: int, again: bool) -> None:
    """29 of 100 are under 29.29 %, 30 are over it."""
    state = state_of(bank(left), built=100, smallest=8)
    assert state.erased == pytest.approx(1 - left / 100)
    assert (state.rebuild is not None) is again
    assert not again or "30% of the examples" in str(state.rebuild)


@pytest.mark.parametrize(("unseen", "again"), [(2, True), (3, False)])
def test_it_is_rebuilt_where_an_example_cannot_be_scored(unseen: int, again: bool) -> None:
    """Each shadow that never saw it is scored by the mean and deviation of two others."""
    state = state_of(bank(100, unseen=unseen), built=100, smallest=8)
    assert (state.unseen, state.rebuild is not None) == (unseen, again)


def test_it_is_rebuilt_where_the_policy_asks_for_more_shadows() -> None:
    state = state_of(bank(100, shadows=6, unseen=3), built=100, smallest=8)
    assert state.rebuild == "it has 6 shadows, the policy asks for 8"


def test_the_columns_at_building_are_remembered_through_two_erasures(tmp_path: Path) -> None:
    """72 columns: 48 retain and 24 holdout examples; 12 go, then 12 more: 24 of 72 are a third."""
    six = replace(PLAN, shadows=6)
    folder, _ = build(tmp_path, six)
    first, ids = state_in(folder, smallest=6), load_bank(folder).ids
    assert (first.built, first.left, first.rebuild) == (72, 72, None)
    for number, gone in enumerate((ids[:12], ids[12:24])):
        plan = replace(six, data_version=f"after {number}")
        folder = without_examples(folder, gone, plan, tmp_path)
    state = state_in(folder, smallest=6)
    assert (state.built, state.left) == (72, 48)
    assert "33% of the examples" in str(state.rebuild)
