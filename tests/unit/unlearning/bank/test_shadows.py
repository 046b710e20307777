"""The shadow bank: halves, resumption, erasure of columns, and the null band."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.unit import toys
from unlearning.attacks.lira import LiraOffline
from unlearning.attacks.loss import Loss
from unlearning.bank.files import Seal, bank_complete, shadow_path
from unlearning.bank.null_band import null_band
from unlearning.bank.shadows import (
    BankPlan,
    build_bank,
    carries_over,
    draw_halves,
    load_bank,
    without_examples,
)
from unlearning.domain import Group, Outputs, ShadowOutputs
from unlearning.errors import IntegrityError, UsageError

PLAN = BankPlan(data_version="v1", recipe=toys.RECIPE, training=toys.TRAINING, shadows=4, seed=3)


def build(
    root: Path, plan: BankPlan = PLAN, seal: Seal | None = None
) -> tuple[Path, list[tuple[int, int]]]:
    split, seen = toys.split(), []
    parts = (split.retain, split.holdout, split.test)
    folder = build_bank(
        plan, parts, root, workers=1, progress=lambda *at: seen.append(at), seal=seal
    )
    return folder, seen


def test_every_example_is_unseen_by_half_and_subjects_stay_together(
    rng: np.random.Generator,
) -> None:
    subjects = np.array([f"p{i // 5}" for i in range(100)])
    halves = draw_halves(subjects, 8, rng)
    assert (halves.sum(0) == 4).all()
    assert np.array_equal(halves[0], ~halves[1])
    for person in np.unique(subjects):
        assert len(np.unique(halves[:, subjects == person], axis=1).T) == 1


def test_a_bank_is_named_by_what_it_follows_from() -> None:
    assert PLAN.key == replace(PLAN).key
    others = [
        replace(PLAN, data_version="v2"),
        replace(PLAN, seed=4),
        replace(PLAN, shadows=6),
        replace(PLAN, training=replace(toys.TRAINING, epochs=4)),
    ]
    assert len({PLAN.key, *(plan.key for plan in others)}) == 5
    with pytest.raises(UsageError, match="even number"):
        replace(PLAN, shadows=5)


def test_an_interrupted_build_goes_on_where_it_stopped(tmp_path: Path) -> None:
    folder, seen = build(tmp_path)
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    whole = load_bank(folder)
    shadow_path(folder, 2).unlink()
    (folder / "bank.json").unlink()
    assert not bank_complete(folder)
    _, seen = build(tmp_path)
    assert seen == [(4, 4)]
    np.testing.assert_array_equal(load_bank(folder).logits, whole.logits)


def test_a_bank_answers_in_the_order_that_is_asked_for(tmp_path: Path) -> None:
    bank = load_bank(build(tmp_path)[0])
    asked = bank.ids[[5, 60, 0]]
    np.testing.assert_array_equal(bank.on(asked).logits, bank.logits[:, [5, 60, 0]])
    with pytest.raises(IntegrityError, match="1 examples are not in it"):
        bank.on(np.array(["stranger"]))


def test_erased_people_leave_no_column(tmp_path: Path) -> None:
    folder, _ = build(tmp_path)
    before = load_bank(folder)
    erased = before.ids[:7]
    after = load_bank(without_examples(folder, erased, replace(PLAN, data_version="v2"), tmp_path))
    assert not np.isin(erased, after.ids).any()
    np.testing.assert_array_equal(after.logits, before.logits[:, 7:])
    np.testing.assert_array_equal(after.seen, before.seen[:, 7:])


def test_only_the_data_version_may_differ_when_a_bank_is_carried_over(tmp_path: Path) -> None:
    folder, _ = build(tmp_path)
    assert carries_over(folder, replace(PLAN, data_version="v2"))
    assert not carries_over(folder, replace(PLAN, data_version="v2", seed=4))
    (folder / "bank.json").unlink()
    assert not carries_over(folder, PLAN)


def test_a_shadow_that_saw_all_that_is_compared_is_passed_over() -> None:
    """One subject to forget, one to compare with: a shadow that saw either has nothing to show."""
    seen = np.array([[True, True], [False, False], [True, False], [False, True]])
    shadows = ShadowOutputs(np.zeros((4, 2, 3)), seen)
    part = Outputs(np.zeros((2, 3)), np.zeros(2, int), np.array([0, 2]), np.arange(2))
    assert null_band(part, shadows, Loss()).n == 1


def test_the_null_band_is_about_a_half_when_nobody_remembers() -> None:
    """Random answers, 16 shadows, 400 against 800: the mean AUC's standard error is below .01."""
    rng = np.random.default_rng(0)
    n = 1200
    seen = draw_halves(np.arange(n).astype(np.str_), 16, rng)
    shadows = ShadowOutputs(rng.normal(size=(16, n, 3)), seen)
    groups = np.repeat([Group.FORGET, Group.HOLDOUT], [400, 800])
    part = Outputs(shadows.logits[0], rng.integers(0, 3, n), groups, np.arange(n))
    band = null_band(part, shadows, LiraOffline())
    assert abs(band.value - 0.5) < 0.03
    assert band.low < 0.5 < band.high
    assert band.high - band.low < 0.12
