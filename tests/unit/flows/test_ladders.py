"""The ladder that init writes: no rung before the exact one is dearer than it."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.cli.work.asked import ladders
from systems.settings.policy import load_policy
from systems.settings.workspace import TEMPLATES

POLICY = (TEMPLATES / "policy.yaml").read_text()


@pytest.mark.parametrize(("epochs", "fine"), [(30, 15), (6, 3), (1, 1)])
def test_fine_tuning_takes_half_of_retraining(epochs: int, fine: int, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(ladders.no_dearer(POLICY, epochs))
    first, last = load_policy(tmp_path / "policy.yaml").ladder
    assert (first.method, last.method) == ("finetune", "retrain")
    assert first.settings["epochs"] == fine


def test_the_template_is_as_it_would_be_written_for_its_own_epochs() -> None:
    assert ladders.no_dearer(POLICY, 30) == POLICY


def test_a_head_has_exact_methods_alone(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(ladders.of_heads(POLICY))
    assert load_policy(tmp_path / "policy.yaml").ladder == ladders.RUNGS
