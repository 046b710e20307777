"""Judging what was made elsewhere: what is wrong with the question is said before anything runs."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from systems.settings.workspace import TEMPLATES
from tasks import judge
from tasks.generated import models
from tasks.planning import plan
from tests.unit import toys
from unlearning.errors import PolicyError, UsageError
from unlearning.settings import CLASSIFY, GENERATE


@pytest.mark.parametrize(
    ("task", "policy"),
    [(GENERATE, TEMPLATES / "policy.yaml"), (CLASSIFY, TEMPLATES / GENERATE / "policy.yaml")],
)
def test_a_policy_of_the_other_task_judges_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, policy: Path
) -> None:
    """An answer by it would be an entry of the log, and spend a share of the error."""
    monkeypatch.setattr(judge, "_require_kind", lambda *_: None)
    (tmp_path / "weights").write_bytes(b"any")
    at: Any = SimpleNamespace(params=SimpleNamespace(task=task))
    with pytest.raises(PolicyError, match="got those of the task"):
        judge.judge_for(at, "req-0", tmp_path / "weights", policy)


def test_a_policy_of_the_other_task_plans_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that was written into the workspace and never adopted."""
    monkeypatch.setattr(plan, "sealed_champion", lambda _: None)
    at: Any = SimpleNamespace(params=SimpleNamespace(task=GENERATE))
    with pytest.raises(PolicyError, match="got those of the task"):
        plan.plan_of(at, [], TEMPLATES / "policy.yaml")


def test_a_judge_of_one_class_is_none(tmp_path: Path) -> None:
    everything = toys.examples(8)
    of_one = everything.take(everything.labels == everything.labels[0])
    parts: Any = SimpleNamespace(holdout=of_one)
    at: Any = SimpleNamespace()
    with pytest.raises(UsageError, match="pictures of 1 classes, expected some of every class"):
        models._train_judge(at, parts, (), tmp_path / "judge.safetensors")
