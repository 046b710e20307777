"""The judge of histories finds what it is there for: one that let all pass would prove nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.registers import DONE, READ, STALE, Operation, broken_chain, explained, unanswered


def promoted(called: float, answered: float, version: int, parent: int) -> Operation:
    return Operation(called, answered, DONE, version, parent)


def read(called: float, answered: float, version: int) -> Operation:
    return Operation(called, answered, READ, version)


RIGHT = {
    "nothing": [],
    "one after the other": [promoted(0, 1, 2, 1), promoted(2, 3, 3, 2), read(4, 5, 3)],
    "one of two at once": [promoted(0, 9, 2, 1), Operation(0, 9, STALE, 3, 1), read(9, 10, 2)],
    "a read in the middle, either way": [promoted(0, 9, 2, 1), read(1, 2, 1), read(3, 4, 2)],
    "killed after it took effect": [unanswered(0, 2, 1), read(5, 6, 2), promoted(7, 8, 3, 2)],
    "killed before it took effect": [unanswered(0, 2, 1), read(5, 6, 1), promoted(7, 8, 3, 1)],
    "killed, and took effect late": [unanswered(0, 2, 1), read(5, 6, 1), read(7, 8, 2)],
}
WRONG = {
    "two on one parent": [promoted(0, 9, 2, 1), promoted(0, 9, 3, 1)],
    "the second undid the first": [promoted(0, 1, 2, 1), promoted(2, 3, 3, 1), read(4, 5, 3)],
    "one that was answered is lost": [promoted(0, 1, 2, 1), read(2, 3, 1)],
    "lost after it was seen": [promoted(0, 1, 2, 1), read(2, 3, 2), read(4, 5, 1)],
    "seen before it began": [read(0, 1, 2), promoted(2, 3, 2, 1)],
    "refused although its parent served": [Operation(0, 1, STALE, 3, 1), promoted(2, 3, 2, 1)],
    "an unanswered one undone": [unanswered(0, 2, 1), read(5, 6, 2), read(7, 8, 1)],
    "somebody nobody promoted": [read(0, 1, 7)],
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_one_register_could_have_shown_is_explained(name: str) -> None:
    assert explained(RIGHT[name], 1)


@pytest.mark.parametrize("name", WRONG)
def test_a_double_or_a_lost_promotion_is_found(name: str) -> None:
    assert not explained(WRONG[name], 1)


def test_it_is_found_in_a_long_history() -> None:
    whole = [promoted(n, n + 1.5, n + 2, n + 1) for n in range(12)]
    whole += [read(n + 0.2, n + 1.4, n + 1) for n in range(12)]
    assert explained(whole, 1)
    twice = replace(whole[7], parent=whole[6].parent)
    assert not explained([*whole[:7], twice, *whole[8:]], 1)
    assert not explained([*whole, read(20, 21, 5)], 1)


@pytest.mark.parametrize(
    ("released", "done", "serving", "found"),
    [
        ([(2, 1), (4, 2)], {2, 4}, 4, None),
        ([(2, 1), (4, 2)], {4}, 4, None),
        ([], set(), 1, None),
        ([(2, 1), (3, 1)], {2, 3}, 3, "released on 1, expected 2"),
        ([(2, 1), (2, 1)], {2}, 2, "released twice"),
        ([(2, 1)], {2, 3}, 2, "not in the log"),
        ([(2, 1)], {2}, 1, "version 1 serves"),
    ],
)
def test_a_log_that_is_no_chain_is_found(
    released: list[tuple[int, int]], done: set[int], serving: int, found: str | None
) -> None:
    got = broken_chain(released, done, serving)
    assert got is None if found is None else got and found in got
