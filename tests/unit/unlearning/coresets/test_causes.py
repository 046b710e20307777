"""Necessity and sufficiency of examples: by hand, and where one example is the cause or none is."""

from __future__ import annotations

import numpy as np
import pytest

from unlearning.coresets import choosing
from unlearning.coresets.causes import by_chance, causes, of_part
from unlearning.errors import UsageError


def test_bounds_by_hand() -> None:
    """Forgotten: 3 of 4 parts with it, 1 of 4 without.

    Necessity: at least (.75 - .25) / .75, at most .75 / .75. Sufficiency: at least (.75 - .25) /
    .75, at most .75 / .75, since as many are kept without it as are forgotten with it.
    """
    members = np.array([[1], [1], [1], [1], [0], [0], [0], [0]], dtype=bool)
    forgotten = np.array([1, 1, 1, 0, 1, 0, 0, 0], dtype=bool)
    found = causes(members, forgotten)
    assert found.necessity.tolist() == [[pytest.approx(2 / 3), 1.0]]
    assert found.sufficiency.tolist() == [[pytest.approx(2 / 3), 1.0]]
    half = causes(members, np.array([1, 1, 0, 0, 1, 0, 0, 0], dtype=bool))
    assert half.necessity.tolist() == [[0.5, 1.0]]  # (.5 - .25) / .5; .75 / .5
    assert half.sufficiency.tolist() == [[pytest.approx(1 / 3), pytest.approx(2 / 3)]]


def test_who_alone_forgets_is_necessary_and_sufficient() -> None:
    rng = np.random.default_rng(0)
    halves = choosing.random_parts(20, 10, 64, rng)
    found = causes(halves, halves[:, 7])
    assert found.necessity[7].tolist() == found.sufficiency[7].tolist() == [1.0, 1.0]
    others = np.delete(found.necessity, 7, axis=0)[:, 0].max()
    assert others < by_chance(halves, halves[:, 7], 50, rng)[0] + 0.2 < 1.0


def test_where_any_part_does_nobody_is_necessary_and_where_none_does_nobody_is_sufficient() -> None:
    halves = choosing.random_parts(20, 10, 64, np.random.default_rng(0))
    every, none = causes(halves, np.ones(64, dtype=bool)), causes(halves, np.zeros(64, dtype=bool))
    assert (every.necessity == 0).all() and np.isnan(every.sufficiency).all()
    assert (none.sufficiency == 0).all() and np.isnan(none.necessity).all()


def test_a_part_is_sufficient_and_not_necessary_where_the_others_do_it_too() -> None:
    yes, no = np.ones(5, dtype=bool), np.zeros(5, dtype=bool)
    assert of_part(yes, yes, yes) == (0.0, 1.0)
    assert of_part(no, no, yes) == (1.0, 0.0)
    assert np.isnan(of_part(no, no, no)[0])


def test_an_example_that_is_in_all_parts_says_nothing() -> None:
    with pytest.raises(UsageError, match="in all or in none"):
        causes(np.ones((4, 2), dtype=bool), np.ones(4, dtype=bool))
