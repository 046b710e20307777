"""What of each class goes and stays, by a run and by those before it, and who is asked by it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ledger.replay.drift import Forgotten
from systems.settings.approval import Approval, Skew
from tasks.approval.facts import facts_of
from tasks.approval.skew import Batch, tally_of

RELEASED = {"decision": "released", "exact": False, "verdicts": []}
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


def batch(forgotten: Collection[str], stays: pa.Table, past: Forgotten) -> Batch:
    """What a run forgets; the token of a class is its name."""
    names = ("a", "b", "c")
    return Batch(tally_of(stays, names, forgotten), names, past)


def asked(rules: Approval, size: int) -> list[int]:
    """Forget the first class, ten training examples, in requests of a size; say about which a
    person is asked, who approves each time."""
    left, past, found = rows(), Forgotten("initialised"), list[int]()
    for number, first in enumerate(range(0, 10, size)):
        ids = [f"e{n}" for n in range(first, min(10, first + size))]
        now = batch(ids, left, past)
        told = {"train": len(ids), "training_set": left.num_rows - 3, **now.noted(rules)}
        if rules.question(facts_of(told, [RELEASED], limits_hold=True)):
            found, past = [*found, number], Forgotten(f"run-{number}")
        else:
            classes = past.classes + Counter(told["of_classes"])
            past = Forgotten(past.since, past.examples + len(ids), classes)
        left = left.filter(pc.invert(pc.is_in(left["example_id"], pa.array(ids))))
    return found


@pytest.mark.parametrize(
    ("rules", "size", "who"),
    [
        # 5 of 30 are a sixth, 6 a fifth, 7 more: alone none is
        (Approval(share=0.2), 1, [6]),
        (Approval(share=0.2), 10, [0]),
        # all of 4 are of one class, which is a third: every fourth
        (Approval(skew=Skew(2, 4)), 1, [3, 7]),
        (Approval(skew=Skew(2, 4)), 3, [1, 3]),
        # of 10 the sixth leaves 4, less than half; of these the third leaves one, the last none
        (Approval(whole_class=True), 1, [5, 8, 9]),
        (Approval(whole_class=True), 5, [1]),
    ],
)
def test_a_batch_gains_nothing_by_being_split(rules: Approval, size: int, who: list[int]) -> None:
    assert asked(rules, size) == who


def test_of_what_others_forgot_before_nobody_is_asked_again() -> None:
    """Nine of class a are gone; who asks for one of class b is no part of that."""
    past = Forgotten("run-1", 9, Counter(a=9))
    left = rows().slice(9)
    rules = Approval(whole_class=True, skew=Skew(2, 4))
    other = batch(["e15"], left, past).noted(rules)
    assert (other["going_classes"], other.get("in_class_since")) == (0, None)
    last = batch(["e9"], left, past).noted(rules)
    assert last["in_class_since"] == {"class": "a", "forgets": 10, "trains": 10}
