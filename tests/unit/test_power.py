"""What a test can decide, by simulation against the gate itself; seeds are fixed."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from unlearning.gates.forgetting import Forgetting
from unlearning.power import Case, assumed, chances, decidable, drawn, examples_needed, measured

GATE = Forgetting(
    limits_by_size=[
        {"examples": 500, "holdout": 2000, "auc": 0.55, "tail": 0.05, "fpr": 0.01},
        {"examples": 100, "holdout": 250, "auc": 0.60, "tail": 0.15, "fpr": 0.05},
    ]
)
CASE = Case(examples=300, subjects=300, holdout=400, holdout_subjects=400)


def case(**changes: float) -> Case:
    return dataclasses.replace(CASE, **changes)  # type: ignore[arg-type]


def test_the_simulated_auc_is_the_one_asked_for(rng: np.random.Generator) -> None:
    """Mean of 100 AUCs, each of deviation .022: .70 within .01."""
    found = [measured(CASE, drawn(CASE, rng), auc=0.7)["forget_auc"].value for _ in range(100)]
    assert np.mean(found) == pytest.approx(0.7, abs=0.01)


def test_a_perfect_retrain_passes_and_the_champion_does_not(rng: np.random.Generator) -> None:
    known = assumed(CASE, 16)
    perfect = chances(CASE, known, GATE, rng, draws=60)
    champion = chances(CASE, known, GATE, rng, auc=0.7, draws=60)
    assert perfect.passed > 0.8 and perfect.failed < 0.05
    assert champion.passed == 0 and champion.failed > 0.8
    assert perfect.passed + perfect.failed + perfect.inconclusive == pytest.approx(1)


def test_too_few_examples_or_shadows_decide_nothing(rng: np.random.Generator) -> None:
    """Ten examples are below every limit, seven shadows below the smallest bank of eight."""
    for few, shadows in ((case(examples=10, subjects=10), 16), (CASE, 7)):
        assert chances(few, assumed(few, shadows), GATE, rng, draws=20).passed == 0


def test_one_subject_alone_is_never_decidable(rng: np.random.Generator) -> None:
    alone = case(subjects=1)
    assert decidable(alone, assumed(alone, 16), GATE, rng) == (False, 0.0)


def test_examples_that_repeat_one_another_decide_less(rng: np.random.Generator) -> None:
    """Twenty-five people of twelve: what they have in common counts only twenty-five times."""
    people = {"subjects": 25, "holdout_subjects": 34}
    passed = [
        chances(case(**people, likeness=x), assumed(CASE, 16), GATE, rng, draws=60).passed
        for x in (0.0, 0.5)
    ]
    assert passed[1] < passed[0] - 0.3


def test_a_champion_that_looks_unseen_leaves_no_power(rng: np.random.Generator) -> None:
    known = assumed(CASE, 16, champion=0.53)
    assert chances(CASE, known, GATE, rng, draws=20).passed == 0


def test_what_would_be_needed_is_found_from_the_case_upwards(rng: np.random.Generator) -> None:
    """At 100 examples of 400 a perfect retrain seldom passes; a few hundred suffice. Where eight
    shadows are asked for and six are there, nothing suffices."""
    small = case(examples=100, subjects=100)
    needed = examples_needed(small, 16, GATE, rng, draws=80)
    assert needed in (150, 200, 300)
    assert examples_needed(small, 6, GATE, rng, sizes=(100, 1000), draws=20) is None
