"""Two policies are compared value by value, in words that say which way a limit moved."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from systems.settings.policy import load_policy
from systems.settings.policy_changes import changes

TREE: dict[str, Any] = {
    "attempts": 2,
    "ladder": [{"method": "finetune", "settings": {"epochs": 3}}, {"method": "retrain"}],
    "gates": {
        "integrity": {"classes": 2},
        "utility": {"margin": 0.02, "class_examples": 200},
        "forgetting": {
            "smallest_bank": 8,
            "limits_by_size": [
                {"examples": 500, "holdout": 2000, "auc": 0.55, "tail": 0.05, "fpr": 0.01},
                {"examples": 100, "holdout": 250, "auc": 0.60, "tail": 0.15, "fpr": 0.05},
            ],
        },
    },
}


def told(folder: Path, change: Callable[[dict[str, Any]], object]) -> list[str]:
    """Say what a change of the tree comes to, there and back."""
    tree = deepcopy(TREE)
    change(tree)
    paths = folder / "old.yaml", folder / "new.yaml"
    for path, content in zip(paths, (TREE, tree), strict=True):
        path.write_text(yaml.safe_dump(content))
    old, new = map(load_policy, paths)
    return [*changes(old, new), *changes(new, old)]


def forgetting(tree: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = tree["gates"]["forgetting"]
    return found


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda tree: forgetting(tree)["limits_by_size"][0].update(auc=0.6),
            [
                "gates.forgetting.limits_by_size[0].auc: 0.55 -> 0.6 (looser)",
                "gates.forgetting.limits_by_size[0].auc: 0.6 -> 0.55 (stricter)",
            ],
        ),
        (
            lambda tree: forgetting(tree).update(smallest_bank=4),
            [
                "gates.forgetting.smallest_bank: 8 -> 4 (looser)",
                "gates.forgetting.smallest_bank: 4 -> 8 (stricter)",
            ],
        ),
        (
            # Those of 400 to 499 examples are now held to .55 and no longer to .60.
            lambda tree: forgetting(tree)["limits_by_size"][0].update(examples=400),
            [
                "gates.forgetting.limits_by_size[0].examples: 500 -> 400",
                "gates.forgetting.limits_by_size[0].examples: 400 -> 500",
            ],
        ),
        (
            lambda tree: tree["gates"]["utility"].update(class_margin=0.3),
            [
                "gates.utility.class_margin: nothing -> 0.3",
                "gates.utility.class_margin: 0.3 -> nothing",
            ],
        ),
        (
            lambda tree: tree["gates"].update(deployed={"forms": ["int8"]}),
            [
                'gates.deployed: nothing -> {"forms": ["int8"]} (stricter)',
                'gates.deployed: {"forms": ["int8"]} -> nothing (looser)',
            ],
        ),
        (
            lambda tree: tree.update(attempts=5),
            ["attempts: 2 -> 5 (looser)", "attempts: 5 -> 2 (stricter)"],
        ),
        (
            lambda tree: tree["ladder"][0]["settings"].update(epochs=9),
            [
                "ladder[0].settings.epochs: 3 -> 9",
                "ladder[0].settings.epochs: 9 -> 3",
            ],
        ),
    ],
)
def test_a_change_is_told_with_its_place_and_direction(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], said: list[str]
) -> None:
    assert told(tmp_path, change) == said


def test_lists_of_another_length_are_told_whole(tmp_path: Path) -> None:
    """Element by element, a limit put in front would read as if every one had changed."""
    there, _ = told(tmp_path, lambda tree: forgetting(tree)["limits_by_size"].pop(0))
    assert there.startswith('gates.forgetting.limits_by_size: [{"auc": 0.55')
    assert there.endswith("}]")
    there, _ = told(tmp_path, lambda tree: tree["ladder"].pop(0))
    assert there.count("retrain") == 2 and there.count("finetune") == 1


def test_nothing_changed_and_nothing_but_comments(tmp_path: Path) -> None:
    assert told(tmp_path, lambda tree: None) == []
    policy = load_policy(tmp_path / "old.yaml")
    (tmp_path / "new.yaml").write_text(f"# why\n{yaml.safe_dump(TREE)}")
    assert changes(policy, load_policy(tmp_path / "new.yaml")) == ["comments or layout only"]
