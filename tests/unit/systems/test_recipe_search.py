"""A cheaper training is looked for, and believed only where it holds on other seeds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from optuna.trial import create_trial

from systems.compute import recipe_search
from systems.compute.recipe_search import Ground, Tried, choose, objective, search
from systems.compute.studies import Limits, study_in
from tests.unit import toys
from unlearning.errors import IntegrityError

LONG = replace(toys.TRAINING, epochs=8)
"""Eight epochs where stripes are learned in one or two."""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def ground(own: Any = LONG) -> Ground:
    train, strangers = toys.examples(60, seed=1), toys.examples(24, seed=2, first=100)
    return Ground(toys.RECIPE, train, strangers, own, seed=0)


def searched(on: Ground, folder: Path, trials: int = 6) -> list[dict[str, Any]]:
    return search(on, folder / "study.jsonl", Limits(trials, 100.0), lambda *told: None)


def test_what_is_learned_in_an_epoch_needs_no_eight(tmp_path: Path) -> None:
    on = ground()
    records = searched(on, tmp_path)
    assert records[0]["settings"]["epochs"] == 8 and records[0]["cost"] == 1
    held = choose(on, records)
    assert held is not None and held.cost < 1
    assert held.accuracy[1] >= held.accuracy[0] and held.lost.value <= 0


def test_nothing_is_cheaper_than_one_epoch(tmp_path: Path) -> None:
    on = ground(replace(toys.TRAINING, epochs=1))
    assert choose(on, searched(on, tmp_path, trials=3)) is None


def test_an_interrupted_search_ends_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "cut").mkdir()
    cut = searched(ground(), tmp_path / "cut", trials=3)
    gone_on, whole = searched(ground(), tmp_path / "cut", 6), searched(ground(), tmp_path, 6)
    assert gone_on[:3] == cut
    without = [[{**r, "seconds": 0} for r in records] for records in (gone_on, whole)]
    assert without[0] == without[1]


def test_a_line_that_a_crash_cut_short_is_cut_off(tmp_path: Path) -> None:
    """Otherwise the next one is written behind it, and no search goes on from there ever again."""
    storage = tmp_path / "study.jsonl"
    study_in(storage, "retrain").add_trial(create_trial(value=1.0))
    with storage.open("ab") as file:
        file.write(b'{"op_code":5,"worker_id":"6f')
    study_in(storage, "retrain").add_trial(create_trial(value=2.0))
    assert [trial.value for trial in study_in(storage, "retrain").trials] == [1.0, 2.0]


@pytest.mark.parametrize("line", [b"no json\n", b"[]\n", b'{"op_code": 99}\n'])
def test_what_holds_no_trials_is_told_in_one_line(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "study.jsonl").write_bytes(line * 2)
    with pytest.raises(IntegrityError, match="holds no trials"):
        study_in(tmp_path / "study.jsonl", "retrain")


def test_the_budget_counts_passes(tmp_path: Path) -> None:
    on = ground()
    records = search(on, tmp_path / "s.jsonl", Limits(30, 1.5), lambda *told: None)
    costs = [record["cost"] for record in records]
    assert sum(costs) >= 1.5 > sum(costs[:-1]) and len(costs) < 30


@pytest.mark.parametrize(
    ("accuracy", "cost", "better"),
    [(0.80, 0.9, 0.79), (0.80, 0.1, 0.70)],
    ids=["slightly worse and much cheaper", "much worse and free"],
)
def test_no_saving_makes_up_for_a_loss(accuracy: float, cost: float, better: float) -> None:
    def tried(right: float, of: float) -> Tried:
        return Tried(of, 1.0, np.arange(100) < 100 * right)

    assert objective(tried(accuracy, cost), 0.8) < objective(tried(better, 0.01), 0.8)
    assert objective(tried(better, 0.01), 0.8) > 1


def test_who_was_lucky_with_one_seed_is_not_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half the passes are as good by the seed of the search, and worse by every other."""
    on = ground()

    def attempt(at: Ground, training: Any, seed: int) -> Tried:
        worse = training != at.own and seed != at.seed
        return Tried(at.cost(training), 1.0, np.arange(24) < (18 if worse else 20))

    monkeypatch.setattr(recipe_search, "attempt", attempt)
    records = searched(on, tmp_path)
    assert any(record["objective"] < 1 for record in records[1:])
    assert choose(on, records) is None


def test_a_training_that_diverges_is_a_trial_and_no_crash(tmp_path: Path) -> None:
    on = ground(replace(LONG, learning_rate=1e30))
    records = searched(on, tmp_path, trials=2)
    assert records[0]["objective"] is None and records[0]["problem"]
    assert len(records) == 2
