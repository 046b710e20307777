"""Settings are searched with equal budgets, by how far a candidate is from passing."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flows.cli.commands.comparing import tune as tune_command
from systems.compute import search as searching
from systems.compute.search import Yardstick, best, nearest, search
from systems.compute.studies import Limits
from systems.settings.policy import load_policy
from tasks.tuning.methods import Rehearsal, forget_mask, rung
from tests.unit import toys
from unlearning.errors import Diverged, UsageError
from unlearning.judging.distance import Distance
from unlearning.judging.effects import Kind
from unlearning.judging.rehearsing import Found
from unlearning.methods import METHODS
from unlearning.methods.finetune import FineTune
from unlearning.methods.ssd import SelectiveDampening
from unlearning.search_space import (
    COST,
    LEAST_COST,
    MOST_COST,
    SPACES,
    Choice,
    Real,
    Space,
    of_length,
    published,
)

ROOT = Path(__file__).parents[3]
UNTOUCHED = Distance("forget_auc", 10.0)
TOLD: Callable[..., None] = lambda done, total, record: None  # noqa: E731


def test_a_trial_is_as_long_as_its_cost_affords() -> None:
    """An epoch of fine-tuning passes 90 examples: 300 afford 3 epochs, 10 none, so there is 1."""
    space = Space({}, longest=5)
    lengths = [
        of_length(FineTune(), space, forget=10, retain=90, most=most).epochs
        for most in (300, 10, 10_000)
    ]
    assert lengths == [3, 1, 5]
    fixed = SelectiveDampening()
    assert of_length(fixed, Space({}, length=None), forget=1, retain=9, most=0) is fixed


def test_every_method_that_approximates_is_tuned() -> None:
    assert set(SPACES) == {name for name in METHODS if not METHODS[name].exact}


@pytest.mark.parametrize("name", list(SPACES))
def test_published_settings_lie_in_the_space_that_is_searched(name: str) -> None:
    space = SPACES[name]
    for key, value in published(METHODS.create(name), space).items():
        of = space.ranges[key]
        inside = value in of.values if isinstance(of, Choice) else of.low <= value <= of.high
        assert inside, (key, value)
    assert space.length is None or isinstance(getattr(METHODS.create(name), space.length), int)
    assert space.searched().get(COST) == (
        Real(LEAST_COST, MOST_COST, log=False) if space.length else None
    )


class Stage:
    """A rehearsal that finds a candidate as far as its first weight moved from `aim`."""

    def __init__(self, aim: float = 0.05) -> None:
        self.split = toys.split()
        self.original = toys.trained(self.split)
        self.aim, self.opened = aim, 0

    def judge(self, candidate: Any, nearest: float) -> Found:
        moved = float((self._first(candidate) - self._first(self.original)).abs().max())
        far = Distance("forget_auc", abs(moved - self.aim))
        opens = far.value <= nearest
        self.opened += opens
        return Found(far, opens, Kind.CHANGED)

    def _first(self, network: Any) -> Any:
        return next(iter(network.parameters())).detach()


@pytest.fixture
def yardstick() -> Yardstick:
    """Retraining passes 48 examples 60 times; an epoch of fine-tuning costs a sixtieth of that."""
    return Yardstick(Stage(), 60 * 48, 0)  # type: ignore[arg-type]


def tried(records: list[dict[str, Any]]) -> list[tuple[object, ...]]:
    return [(r["settings"], r["cost"], r["objective"]) for r in records]


def test_the_first_trial_is_published_and_an_interrupted_search_goes_on(
    yardstick: Yardstick, tmp_path: Path
) -> None:
    def run(file: str, trials: int) -> list[dict[str, Any]]:
        within = Limits(trials, 10.0)
        return search("finetune", yardstick, tmp_path / file, within, seed=3, told=TOLD)

    whole = run("whole.jsonl", 5)
    assert whole[0]["settings"] == {"learning_rate": 0.01, "weight_decay": 5e-4, "epochs": 10}
    assert len(tried(whole)) == len({str(t) for t in tried(whole)}) == 5
    assert all(record["cost"] <= MOST_COST for record in whole)
    assert len(run("halves.jsonl", 2)) == 2
    assert tried(run("halves.jsonl", 5)) == tried(whole)
    assert run("whole.jsonl", 4) == whole  # it has more than was asked for: nothing is tried


def test_published_settings_are_shortened_to_what_a_trial_may_cost(
    yardstick: Yardstick, tmp_path: Path
) -> None:
    short = dataclasses.replace(yardstick, retraining=int(2 / MOST_COST) * 48)
    within = Limits(1, 10.0)
    (first,) = search("finetune", short, tmp_path / "study.jsonl", within, seed=0, told=TOLD)
    assert first["settings"]["epochs"] == 2 and first["cost"] <= MOST_COST


def test_a_trial_that_a_kill_cut_off_is_made_again(
    yardstick: Yardstick, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    within, at = Limits(3, 10.0), tmp_path / "study.jsonl"
    attempt, calls = searching.attempt, iter([False, True])

    def dying(*given: Any) -> Any:
        if next(calls, False):
            raise KeyboardInterrupt
        return attempt(*given)

    monkeypatch.setattr(searching, "attempt", dying)
    with pytest.raises(KeyboardInterrupt):
        search("finetune", yardstick, at, within, seed=0, told=TOLD)
    resumed = search("finetune", yardstick, at, within, seed=0, told=TOLD)
    straight = search("finetune", yardstick, tmp_path / "b.jsonl", within, seed=0, told=TOLD)
    assert tried(resumed) == tried(straight)


def test_a_dear_method_gets_fewer_trials_from_the_same_budget(
    yardstick: Yardstick, tmp_path: Path
) -> None:
    """Fine-tuning's published 10 epochs cost a sixth of retraining: a budget of .15 is then spent.
    Dampening costs 12 + 48 of 2,880 examples, a 48th: eight trials reach .15."""
    within = Limits(20, 0.15 - 1e-9)
    counts = {
        name: len(search(name, yardstick, tmp_path / name, within, seed=0, told=TOLD))
        for name in ("finetune", "ssd")
    }
    assert counts == {"finetune": 1, "ssd": 8}


def test_a_trial_that_gives_no_candidate_is_kept_with_its_reason_and_never_chosen(
    yardstick: Yardstick, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    within, at = Limits(1, 10.0), tmp_path / "study.jsonl"
    search("finetune", yardstick, at, within, seed=0, told=TOLD)
    problems = {Diverged("the loss is nan"): "", UsageError("no such thing"): "finetune: "}
    for number, (problem, whose) in enumerate(problems.items(), 2):

        def fail(self: Any, *given: Any, problem: Exception = problem) -> None:
            raise problem

        monkeypatch.setattr(FineTune, "unlearn", fail)
        records = search("finetune", yardstick, at, Limits(number, 10.0), seed=0, told=TOLD)
        last = records[-1]
        said = f"{whose}{problem}"
        assert (last["problem"], last["effect"], last["opened"]) == (said, "failed", False)
    assert best(records, UNTOUCHED) == records[0]
    assert best(records[1:], UNTOUCHED) is None


def record(objective: float | None, *, cost: float = 0.1, opened: bool = True) -> dict[str, Any]:
    return {"objective": objective, "cost": cost, "opened": opened}


def test_the_nearest_wins_of_equals_the_cheapest_and_nobody_beside_the_untouched() -> None:
    """What stands at .5 is the original, which forgot nothing."""
    untouched = Distance("forget_auc", 0.5)
    records = [record(0.4, cost=0.2), record(0.4, cost=0.1), record(0.45, cost=0.01)]
    assert best(records, untouched) is records[1]
    nobody = [record(0.5), record(0.6), record(0.1, opened=False), record(None)]
    assert best(nobody, untouched) is None
    assert nearest(records) == 0.4 and nearest([record(0.1, opened=False)]) == math.inf


def test_doors_are_opened_only_for_who_may_be_the_nearest(
    yardstick: Yardstick, tmp_path: Path
) -> None:
    """A trial that is farther than one before by its answers is pruned, with that as its bound."""
    within = Limits(8, 10.0)
    records = search("finetune", yardstick, tmp_path / "s", within, seed=0, told=TOLD)
    so_far = math.inf
    for found in records:
        assert found["opened"] == (found["objective"] <= so_far)
        so_far = min(so_far, found["objective"])
    assert not all(found["opened"] for found in records)
    assert yardstick.rehearsed.opened == sum(r["opened"] for r in records)  # type: ignore[attr-defined]


def test_what_cannot_be_tuned_is_refused(yardstick: Yardstick, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'retrain' has no settings to search"):
        search("retrain", yardstick, tmp_path / "x", Limits(1, 1.0), seed=0, told=TOLD)
    for limits in ((0, 1.0), (1, 0.0)):
        with pytest.raises(UsageError, match="expected at least 1 and above 0"):
            Limits(*limits)


def test_a_rehearsal_forgets_whole_people_who_asked_for_nothing() -> None:
    """48 examples of 12 people, 4 each. Person s0 asked, with one of its examples. Ten examples are
    wanted: three people give twelve."""
    train = toys.examples(48)
    asked = np.arange(48) == 2
    for seed in range(20):
        mask = forget_mask(train, asked, Rehearsal(examples=10), ("a", "b", "c"), seed)
        people = set(train.subjects[mask])
        assert mask.sum() == 12 and len(people) == 3 and "s0" not in people


def test_a_rehearsal_on_a_class_leaves_out_who_asked() -> None:
    """Class b has 16 of 48 examples; one of them is in an open request."""
    train = toys.examples(48)
    asked = np.arange(48) == 1
    mask = forget_mask(train, asked, Rehearsal("b"), ("a", "b", "c"), 0)
    assert mask.sum() == 15 and set(train.labels[mask]) == {1} and not mask[1]
    with pytest.raises(UsageError, match="got 'd', expected one of a, b, c"):
        forget_mask(train, asked, Rehearsal("d"), ("a", "b", "c"), 0)
    with pytest.raises(UsageError, match="expected one of them"):
        Rehearsal("b", 3)


def test_the_rung_can_be_pasted_into_a_policy(tmp_path: Path) -> None:
    policy = (ROOT / "policy.yaml").read_text()
    text = rung("finetune", {"learning_rate": 0.05, "epochs": 3})
    indented = "".join(f"  {line}\n" for line in text.splitlines())
    (tmp_path / "policy.yaml").write_text(policy.replace("ladder:\n", f"ladder:\n{indented}"))
    first = load_policy(tmp_path / "policy.yaml").ladder[0]
    assert (first.method, dict(first.settings)) == (
        "finetune",
        {"learning_rate": 0.05, "epochs": 3},
    )


def test_thirty_trials_are_made_unless_told_otherwise_and_can_be_paid_for() -> None:
    given = inspect.signature(tune_command).parameters
    assert given["trials"].default >= 30
    assert given["budget"].default >= given["trials"].default * MOST_COST
