"""What of each class goes and stays, and which classes go by it."""

from __future__ import annotations

import pyarrow as pa
import pytest

from tasks.approval.skew import tally_of

LABELS = [0] * 10 + [1] * 10 + [2] * 10


def rows() -> pa.Table:
    """30 training examples of three classes, numbered by them, and a test example of each."""
    ids = [f"e{n}" for n in range(33)]
    split = ["train"] * 30 + ["test"] * 3
    return pa.table({"example_id": ids, "label": [*LABELS, 0, 1, 2], "split": split})


@pytest.mark.parametrize(
    ("gone", "whole", "going"),
    [
        (range(10), 1, 0),
        # 1 of 10 stays, and of the others all; 5 of 10 are not less than half
        (range(9), 0, 1),
        (range(6), 0, 1),
        (range(5), 0, 0),
        # all of one and nearly all of the next: 1 of 10 stays, of the other two 10 of 20
        (range(19), 1, 1),
        # of all data two thirds go, of each class alike: no class does
        ([n for n in range(30) if n % 3], 0, 0),
        ([*range(10), 32], 1, 0),  # what is only tested on counts nowhere
        ([], 0, 0),
    ],
)
def test_a_class_goes_whole_or_but_for_a_few(gone: list[int], whole: int, going: int) -> None:
    found = tally_of(rows(), ("a", "b", "c"), [f"e{n}" for n in gone])
    assert (found.whole, found.going) == (whole, going)
