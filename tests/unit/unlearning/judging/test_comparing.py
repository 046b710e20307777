"""The columns between a candidate and a retrained model, worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.unit.toys import outputs
from unlearning.domain import Group, Outputs
from unlearning.judging.comparing import columns, divergences, gaps

F, R, T = Group.FORGET, Group.RETAIN, Group.TEST


def answering(right: list[bool], labels: list[int], groups: list[Group]) -> Outputs:
    """Two-class outputs that are right where `right` says so, surely or nearly."""
    given = [label if hit else 1 - label for hit, label in zip(right, labels, strict=True)]
    logits = np.array([[2.0 + i, 0.0] if a == 0 else [0.0, 2.0 + i] for i, a in enumerate(given)])
    return outputs(logits, np.array(labels), groups)


def test_accuracies_by_group() -> None:
    """FA 1 of 2, RA 3 of 4, TA 2 of 3; nothing is left out."""
    right = [True, False, True, True, True, False, True, True, False]
    found = columns(answering(right, [0] * 9, [F] * 2 + [R] * 4 + [T] * 3), np.zeros(9, bool))
    assert found["FA"] == 1 / 2
    assert found["RA"] == 3 / 4
    assert found["TA"] == pytest.approx(2 / 3)
    assert "forget_valid" not in found
    assert {"mia_entropy_lr", "mia_conf_svc"} <= set(found)


def test_a_forgotten_class_is_left_out_of_the_test_accuracy() -> None:
    """Class 1 is forgotten: wrong on its two tests, right on both tests of class 0."""
    labels = [1, 0, 0, 0, 1, 0, 1]
    right = [False, True, True, True, False, True, False]
    target = answering(right, labels, [F, R, R, T, T, T, T])
    forgotten = np.array(labels) == 1
    found = columns(target, forgotten)
    assert (found["TA"], found["forget_valid"], found["FA"]) == (1.0, 0.0, 0.0)


def two(p: float) -> Outputs:
    """One forget example with probability p of class 0, beside a test example that is not read."""
    return outputs(np.log([[p, 1 - p], [p / 2, 1 - p / 2]]), np.zeros(2, int), [F, T])


def test_divergences_by_hand() -> None:
    """Retrained (1/2, 1/2), candidate (1/4, 3/4).

    KL(retrained || candidate) = .5 ln 2 + .5 ln 2/3 = .1438; the other way round it is .1308.
    """
    found = divergences(two(0.25), two(0.5))
    assert found["D_KL"] == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(2 / 3), rel=1e-6)
    half = 0.5 * math.log(0.5 / 0.375) + 0.5 * math.log(0.5 / 0.625)
    other = 0.25 * math.log(0.25 / 0.375) + 0.75 * math.log(0.75 / 0.625)
    assert found["JS"] == pytest.approx((half + other) / 2, rel=1e-6)
    assert divergences(two(0.5), two(0.25))["D_KL"] == pytest.approx(0.130812, abs=1e-6)


def test_the_same_answers_are_no_distance_apart_and_opposite_ones_a_finite_one() -> None:
    """Opposite and sure: -ln of the epsilon 1e-20 that stands for 0 is 46.05; JS ends at ln 2."""
    assert divergences(two(0.3), two(0.3)) == pytest.approx({"D_KL": 0.0, "JS": 0.0})
    one, other = (
        outputs(np.array([row]), np.zeros(1, int), [F]) for row in ([800.0, 0.0], [0.0, 800.0])
    )
    found = divergences(one, other)
    assert found == pytest.approx({"D_KL": 20 * math.log(10), "JS": math.log(2)})


def test_the_average_gap_is_of_four_columns_and_hides_the_rest() -> None:
    """Gaps .04, .01, .02, .13 make .05, however far off mia_conf_svc and forget_valid are."""
    retrained = {
        "FA": 0.95, "RA": 1.0, "TA": 0.94, "mia_entropy_lr": 0.75, "mia_conf_svc": 0.1,
        "forget_valid": 0.0,
    }  # fmt: skip
    candidate = {
        "FA": 0.99, "RA": 0.99, "TA": 0.92, "mia_entropy_lr": 0.88, "mia_conf_svc": 0.9,
        "forget_valid": 1.0,
    }  # fmt: skip
    found = gaps(candidate, retrained)
    assert found["average gap"] == pytest.approx(0.05)
    assert found["gap mia_conf_svc"] == pytest.approx(0.8)
    assert found["gap FA"] == pytest.approx(0.04)
    assert set(found) == {"average gap", *(f"gap {name}" for name in retrained)}
