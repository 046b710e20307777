"""Settings are searched with equal budgets, by distances that judge nothing afterwards."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from systems.compute import search as searching
from systems.compute.search import Limits, Yardstick, best, compared, search
from systems.settings.policy import load_policy
from tasks.tune import Rehearsal, forget_mask, rung
from tests.unit import toys
from unlearning.domain import Group, Outputs
from unlearning.errors import Diverged, UsageError
from unlearning.methods import METHODS
from unlearning.methods.finetune import FineTune
from unlearning.methods.ssd import SelectiveDampening
from unlearning.outputs import outputs_of
from unlearning.search_space import (
    COST,
    LEAST_COST,
    MOST_COST,
    SPACES,
    Choice,
    Gaps,
    Real,
    Space,
    gaps,
    loss_auc,
    of_length,
    published,
)
from unlearning.training.loop import silent

ROOT = Path(__file__).parents[3]
TOLD: Callable[..., None] = lambda done, total, record: None  # noqa: E731


def answering(sure: list[float], labels: list[int], groups: list[Group]) -> Outputs:
    """Outputs of two classes that give the true class the probabilities `sure`."""
    p = np.stack([np.array(sure), 1 - np.array(sure)], 1)
    swapped = np.array(labels) == 1
    p[swapped] = p[swapped, ::-1]
    return toys.outputs(np.log(p), np.array(labels), groups)


F, R, T = Group.FORGET, Group.RETAIN, Group.TEST


def test_gaps_to_a_retrained_model() -> None:
    """Right are answers above one half. Forget: 2 of 2 against 1 of 2; retain: the same; test: 1 of
    2 against 2 of 2. AUC of forget over test confidences: the candidate's .9 and .8 beat .7 and .3,
    1; the retrained model's .6 and .2 against .7 and .55 win once of four times, .25."""
    groups, labels = [F, F, R, R, T, T], [0, 1, 0, 1, 0, 1]
    candidate = answering([0.9, 0.8, 0.9, 0.9, 0.7, 0.3], labels, groups)
    retrained = answering([0.6, 0.2, 0.9, 0.9, 0.7, 0.55], labels, groups)
    found = gaps(candidate, retrained)
    assert dataclasses.astuple(found) == (0.5, 0.0, 0.5, 0.75)
    assert found.objective == pytest.approx((0.5 + 0.5 + 0.75) / 4, rel=1e-12)
    assert gaps(retrained, retrained) == Gaps(0, 0, 0, 0)


def test_the_attack_compares_with_test_examples_of_the_forgotten_classes() -> None:
    """The forget example at .6 beats the .5 of its own class; the .9 is of another class."""
    outputs = answering([0.6, 0.5, 0.9, 0.8], [0, 0, 1, 1], [F, T, T, R])
    assert loss_auc(outputs) == 1.0
    elsewhere = answering([0.6, 0.9, 0.8], [0, 1, 1], [F, T, R])
    assert loss_auc(elsewhere) == 0.0  # the test set has none of its class: all are compared


def test_a_class_that_is_forgotten_whole_does_not_count_in_test_accuracy() -> None:
    """Class 0 is nowhere retained: only the test example of class 1 counts, right in both."""
    groups, labels = [F, R, T, T], [0, 1, 0, 1]
    candidate = answering([0.9, 0.9, 0.9, 0.9], labels, groups)
    retrained = answering([0.1, 0.9, 0.1, 0.9], labels, groups)
    assert gaps(candidate, retrained).test == 0


def test_gaps_refuse_broken_outputs_and_other_examples() -> None:
    one = answering([0.9, 0.9, 0.9], [0, 0, 0], [F, R, T])
    broken = dataclasses.replace(one, logits=one.logits * np.nan)
    with pytest.raises(Diverged, match="not finite"):
        gaps(broken, one)
    with pytest.raises(UsageError, match="labels differ"):
        gaps(one, dataclasses.replace(one, labels=np.array([0, 1, 0])))


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


@pytest.fixture(scope="module")
def yardstick() -> Yardstick:
    """Retraining passes 48 examples 60 times; an epoch of fine-tuning costs a sixtieth of that."""
    split = toys.split()
    original = toys.trained(split)
    retrain = METHODS.create("retrain", {"training": toys.TRAINING})
    retrained = retrain.unlearn(original, split, toys.generator(9), silent)
    return Yardstick(
        original, split, outputs_of(retrained, compared(split)), 60 * len(split.retain), 0
    )


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
    counts = [
        len(searching.finished("finetune", tmp_path / file, Limits(trials, 10.0)))
        for file, trials in (("whole.jsonl", 5), ("whole.jsonl", 6), ("none.jsonl", 1))
    ]
    assert counts == [5, 0, 0]


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


def test_a_trial_that_diverges_is_kept_with_its_reason_and_never_chosen(
    yardstick: Yardstick, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge(self: Any, *given: Any) -> None:
        raise Diverged("the loss is nan; lower the learning rate")

    within = Limits(1, 10.0)
    search("finetune", yardstick, tmp_path / "study.jsonl", within, seed=0, told=TOLD)
    monkeypatch.setattr(FineTune, "unlearn", diverge)
    two = Limits(2, 10.0)
    records = search("finetune", yardstick, tmp_path / "study.jsonl", two, seed=0, told=TOLD)
    assert records[1]["diverged"] == "the loss is nan; lower the learning rate"
    assert best(records) == records[0]
    with pytest.raises(Diverged, match="all 1 trials diverged"):
        best(records[1:])


def test_candidates_are_never_compared_on_the_gates_examples() -> None:
    split = toys.split()
    assert len(split.holdout) and not len(compared(split).holdout)


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
