"""The drift budget: what is left of it, and when only exact methods are tried."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ledger.replay.attempts import Earlier
from ledger.replay.drift import Drift
from systems.settings.budget import Budget
from systems.settings.policy import JUDGEMENTS, load_policy
from systems.settings.policy_changes import changes
from unlearning.errors import PolicyError

TREE = {
    "attempts": 4,
    "ladder": [{"method": "finetune"}, {"method": "retrain"}],
    "gates": {"integrity": {}, "utility": {}, "forgetting": {}},
}


def written(folder: Path, **more: object) -> Path:
    path = folder / "policy.yaml"
    path.write_text(yaml.safe_dump(TREE | more))
    return path


@pytest.mark.parametrize(
    ("spent", "forgets", "training_set", "left", "exact_only"),
    [
        # a tenth of 1,000 is 100, and all of it may be used
        (Drift(0, 0), 100, 1000, (2, 100), False),
        (Drift(0, 0), 101, 1000, (2, 100), True),
        # 60 of 1,000 have gone: of then, not of the 940 that are there, a tenth may go
        (Drift(1, 60), 40, 940, (1, 40), False),
        (Drift(1, 60), 41, 940, (1, 40), True),
        # two releases are used up, whatever they forgot
        (Drift(2, 2), 1, 998, (0, 98), True),
        # a policy that was tightened since: nothing is left, and nothing is owed
        (Drift(3, 200), 1, 800, (0, 0), True),
        # who touches no training example has nothing to be unlearned
        (Drift(2, 100), 0, 900, (0, 0), False),
    ],
)
def test_what_is_left_is_counted_from_the_last_exact_training(
    spent: Drift, forgets: int, training_set: int, left: tuple[int, int], exact_only: bool
) -> None:
    told = Budget(releases=2, share=0.10).told(spent, forgets, training_set)
    assert (told["left"]["releases"], told["left"]["examples"]) == left
    assert told["exact_only"] is exact_only
    assert told["training"] == training_set + spent.examples
    assert ("exact methods only" in told["words"]) is exact_only


def test_a_share_is_of_whole_examples() -> None:
    """0.29 * 100 is 28.999999999999996 in binary, and means 29."""
    assert not Budget(5, 0.29).told(Drift(), 29, 100)["exact_only"]


def test_a_used_up_budget_leaves_the_exact_rungs(tmp_path: Path) -> None:
    rules = load_policy(written(tmp_path))
    names = [rung.method for rung in rules.rungs(Earlier(), exact_only=True)]
    assert names == ["retrain"]
    assert rules.rungs(Earlier(), "finetune", exact_only=True) == ()


def test_a_policy_from_before_has_the_defaults(tmp_path: Path) -> None:
    old = load_policy(written(tmp_path))
    assert (old.drift, old.judgements) == (Budget(), JUDGEMENTS)
    tree = {"drift": {"releases": 5, "share": 0.20}, "judgements": 20}
    assert changes(old, load_policy(written(tmp_path, **tree))) == ["comments or layout only"]


def test_a_changed_budget_is_told_in_words(tmp_path: Path) -> None:
    old = load_policy(written(tmp_path))
    new = load_policy(
        written(tmp_path, drift={"releases": 2, "share": 0.5}, judgements=3),
    )
    assert changes(old, new) == [
        "judgements: 20 -> 3 (stricter)",
        "drift.releases: 5 -> 2 (stricter)",
        "drift.share: 0.2 -> 0.5 (looser)",
    ]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"drift": {"releases": -1, "share": 0.1}}, "drift.releases: got -1, expected at least 0"),
        ({"drift": {"releases": 2, "share": 1.1}}, "drift.share: got 1.1, expected 0 to 1"),
        ({"drift": {"releases": 1.5, "share": 0.1}}, "releases: got 1.5, expected a whole number"),
        ({"drift": {"releases": 2, "share": "all"}}, "drift.share: got 'all', expected a number"),
        ({"drift": {"releases": 2}}, "drift.share: got nothing, expected a number: add it"),
        ({"drift": {"releases": 2, "share": 0.1, "days": 3}}, "drift: unknown key 'days'"),
        ({"drift": None}, "drift: got nothing, expected the keys releases, share"),
        ({"judgements": 0}, "judgements: got 0, expected a whole number from 1"),
        ({"judgements": True}, "judgements: got True, expected a whole number from 1"),
    ],
)
def test_a_budget_of_the_wrong_kind_is_refused(
    tmp_path: Path, more: dict[str, object], said: str
) -> None:
    with pytest.raises(PolicyError) as caught:
        load_policy(written(tmp_path, **more))
    assert said in str(caught.value) and str(caught.value).startswith("policy.yaml: ")
