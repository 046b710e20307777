"""A rehearsal on digits: nobody's holdout or test is read, and doing nothing is never near."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from systems.compute.away import asked
from systems.compute.search import Yardstick, best, search
from systems.compute.studies import Limits
from tests.unit import toys
from tests.unit.border import Border
from unlearning import networks
from unlearning.bank.shadows import Bank, BankPlan, build_bank, load_bank
from unlearning.domain import Examples, joined
from unlearning.errors import Diverged, UsageError
from unlearning.gates.forgetting import Forgetting
from unlearning.gates.integrity import Integrity
from unlearning.gates.utility import Utility
from unlearning.judging.effects import Kind
from unlearning.judging.rehearsing import (
    STRANGERS,
    Rehearsed,
    by_strangers,
    draw_strangers,
    laid_out,
    rehearse,
)
from unlearning.methods.retrain import Retrain
from unlearning.networks import Recipe
from unlearning.training.loop import Training, silent, train

RECIPE = Recipe(network="conv-small", classes=10, channels=1, size=8, mean=(0.3,), std=(0.36,))
TRAINING = Training(epochs=15, batch_size=32, learning_rate=0.1, precision="fp32")
ROW = {"examples": 100, "holdout": 250, "auc": 0.60, "tail": 0.15, "fpr": 0.05}
GATES = (Integrity(), Utility(margin=0.05), Forgetting(limits_by_size=(ROW,)))


def digits(first: int, n: int) -> Examples:
    """Digits of people with four each, a fifth of them labelled at random."""
    bunch, rows = load_digits(), np.arange(first, first + n)
    rng = np.random.default_rng(first)
    images = np.rint(bunch.images[rows] * (255 / 16)).astype(np.uint8)[:, None]
    labels = np.where(rng.random(n) < 0.2, rng.integers(0, 10, n), bunch.target[rows])
    names = rows.astype(np.str_)
    return Examples(images, labels.astype(np.int64), names, np.array([f"s{r // 4}" for r in rows]))


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> Rehearsed:
    """480 digits, of which 60 are forgotten and about 120 are strangers; eight shadows."""
    folder, everyone = tmp_path_factory.mktemp("rehearsal"), digits(0, 480)
    plan = BankPlan(data_version="v", recipe=RECIPE, training=TRAINING, shadows=8, seed=0)
    gates_own = digits(480, 24), digits(504, 24)
    bank = build_bank(
        plan, (everyone, *gates_own), folder, workers=1, progress=lambda done, total: None
    )
    strangers = draw_strangers(everyone, np.ones(480, dtype=bool), 0)
    forgets = ~strangers & (np.cumsum(~strangers) <= 60)
    split = laid_out(everyone, forgets, strangers, ~forgets & ~strangers, 10)
    original = networks.build(RECIPE, toys.generator())
    train(original, joined(split.forget, split.retain), TRAINING, toys.generator(1))
    networks.save(original, folder / "original.safetensors")
    return rehearse(folder / "original.safetensors", split, load_bank(bank), GATES, 0.95)


def test_strangers_are_whole_free_people_about_a_quarter() -> None:
    everyone = digits(0, 400)
    free = np.arange(400) >= 40
    for seed in range(5):
        drawn = draw_strangers(everyone, free, seed)
        people = set(everyone.subjects[drawn])
        assert not drawn[:40].any() and len(people) == drawn.sum() / 4
        assert 0 <= drawn.sum() - STRANGERS * 360 <= 4


def test_a_rehearsal_needs_somebody_in_each_part() -> None:
    none, some = np.zeros(8, dtype=bool), np.ones(8, dtype=bool)
    with pytest.raises(UsageError, match="got 8 examples to forget, 0 of strangers and 8 to keep"):
        laid_out(digits(0, 8), some, none, some, 10)


def test_a_shadow_is_as_accurate_as_on_the_strangers_that_it_never_saw() -> None:
    """Two strangers of class 0; each shadow saw one, and is right on the other or not."""
    logits = np.array([[[1, 0], [0, 1]], [[1, 0], [0, 1]]], dtype=np.float32)
    seen, two = np.array([[True, False], [False, True]]), np.zeros(2)
    strangers = Examples(
        np.zeros((2, 1, 8, 8), np.uint8), np.zeros(2, np.int64), *[np.array(["a", "b"])] * 2
    )
    bank = Bank(np.array(["a", "b"]), seen, logits, two, two)
    assert by_strangers(bank, strangers).test_accuracy.tolist() == [0.0, 1.0]


def test_an_honest_retrain_is_nearer_than_the_untouched_original(rehearsed: Rehearsed) -> None:
    split = rehearsed.split
    again = Retrain(training=TRAINING).unlearn(
        rehearsed.original, split.handed(), toys.generator(5), silent
    )
    found = rehearsed.judge(again, inf)  # type: ignore[arg-type]
    assert found.opened and found.kind is Kind.CHANGED
    assert found.distance.value < rehearsed.untouched.value - 0.5 and rehearsed.untouched.value > 0


def test_who_did_nothing_has_no_door_opened(rehearsed: Rehearsed) -> None:
    found = rehearsed.judge(rehearsed.original, inf)
    assert found.kind is Kind.NO_EFFECT and not found.opened


def test_who_is_too_far_by_the_answers_has_no_door_opened(rehearsed: Rehearsed) -> None:
    untrained = networks.build(RECIPE, toys.generator(9)).eval()
    far = rehearsed.judge(untrained, 0.0)
    assert not far.opened and far.distance.value > 0
    whole = rehearsed.judge(untrained, inf)
    assert whole.opened and whole.distance.value >= far.distance.value


def test_outputs_that_are_no_numbers_are_said(rehearsed: Rehearsed) -> None:
    broken = networks.build(RECIPE, toys.generator(9)).eval()
    next(iter(broken.parameters())).data.fill_(np.nan)
    with pytest.raises(Diverged, match="not finite"):
        rehearsed.judge(broken, inf)


def test_trials_that_workers_elsewhere_run_are_those_of_one_process(
    rehearsed: Rehearsed, tmp_path: Path
) -> None:
    """But for rounding: what comes back is as it is read from a file."""
    border, passes = Border(), 15 * len(rehearsed.split.retain)
    basis = replace(rehearsed.basis, ask=partial(asked, send=border.send))
    elsewhere = replace(rehearsed, basis=basis)
    records = [
        search(
            *("random_label", Yardstick(on, passes, 0, away), tmp_path / file, Limits(2, 10.0)),
            seed=1,
            told=lambda *_: None,
        )
        for on, away, file in ((rehearsed, None, "here"), (elsewhere, border.send, "away"))
    ]
    for here, away in zip(*records, strict=True):
        same = ("settings", "cost", "worst", "opened", "effect", "problem")
        assert {key: away[key] for key in same} == {key: here[key] for key in same}
        assert away["objective"] == pytest.approx(here["objective"], abs=0.02)
    assert border.nobody_is_named() and len(border.out) >= 4


def test_a_search_on_digits_never_takes_who_did_nothing(
    rehearsed: Rehearsed, tmp_path: Path
) -> None:
    """Gradient ascent at its published rate does nothing; random labels do something."""
    yardstick = Yardstick(rehearsed, 15 * len(rehearsed.split.retain), 0)

    def tried(method: str, trials: int) -> list[dict[str, Any]]:
        file, within = tmp_path / f"{method}.jsonl", Limits(trials, 10.0)
        return search(method, yardstick, file, within, seed=1, told=lambda *_: None)

    nothing = tried("gradient_ascent", 1)
    assert nothing[0]["effect"] == "no effect" and not nothing[0]["opened"]
    assert best(nothing, rehearsed.untouched) is None
    something = tried("random_label", 4)
    chosen = best([*nothing, *something], rehearsed.untouched)
    assert chosen in something and chosen["effect"] == "changed"
    assert chosen["objective"] < rehearsed.untouched.value
    plain = [rehearsed.untouched.value, *(r["objective"] for r in something)]
    assert {type(value) for value in plain if value is not None} == {float}  # files can hold these
