"""Judging what was made elsewhere: what is wrong with the question is said before anything runs."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ledger.domain import Selector
from systems.settings.generators import GeneratorParams
from systems.settings.workspace import TEMPLATES
from tasks import judge
from tasks.generated import judging, models
from tasks.planning import plan
from tasks.running import progress
from tests.unit import toys
from tests.unit.unlearning.generation import small
from unlearning import networks
from unlearning.domain import HOLDOUT, TRAIN, Split
from unlearning.errors import PolicyError, UsageError
from unlearning.gates.generated import Concept, GeneratedUtility, Recovered
from unlearning.generation import generators
from unlearning.networks import Recipe
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


class Asked(Exception):
    """The gates that a candidate would be asked by."""


@pytest.mark.parametrize(("here", "run"), [(True, "run-1"), (False, "run-1"), (False, None)])
def test_what_was_made_elsewhere_is_asked_for_more_examples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: bool, run: str | None
) -> None:
    """Made here is what a run made; the first version may have been brought as a file."""

    def asked(*_: Any, gates: Any, **__: Any) -> Any:
        raise Asked([gate.name for gate in gates])

    ids: dict[str, list[str]] = {"train": ["a"], "holdout": [], "test": []}
    known: dict[str, Any] = {
        "_require_kind": None,
        "sealed_champion": None,
        "_asked": 0,
        "find": ids,
    }
    known |= {"refusal": None, "_level_outside": 0.95, "cut": None, "_laid_out": (asked, {})}
    for name, value in known.items():
        monkeypatch.setattr(judge, name, lambda *_, v=value, **__: v)
    (tmp_path / "weights").write_bytes(b"any")
    served = "sha" if run and not here else judge.sha256_file(tmp_path / "weights")
    monkeypatch.setattr(judge, "releases", lambda _: [SimpleNamespace(sha256=served, run=run)])
    log: Any = SimpleNamespace(entries=lambda: ())
    ledger = SimpleNamespace(log=log, selector=lambda _: Selector("subject", ("jane",)))
    at: Any = SimpleNamespace(
        params=SimpleNamespace(task=CLASSIFY, generator=None), ledger=ledger, ws=None
    )
    with pytest.raises(Asked) as found:
        judge.judge_for(at, "req-0", tmp_path / "weights", TEMPLATES / "policy.yaml")
    assert ("elsewhere" in found.value.args[0]) is not here


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


def test_whoever_waits_is_told_how_far_drawing_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In draws of 2 steps each: class and rest of the champion, and of the three models.

    These and the candidate also four attacks and a sheet; that it works is asked of it once more.
    """
    half = (0.5,)
    recipe = Recipe(network="conv-small", classes=4, channels=1, size=4, mean=half, std=half)
    networks.save(networks.build(recipe), tmp_path / "judge")
    files = [tmp_path / f"{seed}.safetensors" for seed in range(5)]
    for seed, path in enumerate(files):
        generators.save(small.generator(seed), path)
    known = models.Judge(tmp_path / "judge", "", 1.0, 0.0)
    without = [SimpleNamespace(weights=path, sha256="", seconds=0.0) for path in files[:3]]
    for module, name, found in (
        (models, "judge", known),
        (models, "settings", GeneratorParams(sampling_steps=2)),
        (judging.references, "references", without),
        (judging.registry, "verified", files[3]),
    ):
        monkeypatch.setattr(module, name, lambda *_, found=found: found)
    few = Recovered(shots=2, shot_steps=(1,), tuning_steps=1, row_steps=1, guidances=(1.0,))
    gates = [Concept(pictures=5), GeneratedUtility(each=2), few]
    sets, at, none = small.sets(), SimpleNamespace(), small.examples().take(np.arange(0))
    split, ids = Split(sets.forget, sets.retain, none, none, 3), {TRAIN: [], HOLDOUT: []}
    told: list[tuple[int, int]] = []
    with progress.drawing_shown(lambda *done: told.append(done)):
        judged_by, _ = judging.laid_out(at, None, split, gates, ids)  # type: ignore[arg-type]
        before = 2 * (2 + 3 * (2 + 4 + 1))
        assert told == [(n, before) for n in range(1, before + 1)]
        judged_by(files[4], gates=gates, level=0.95, exact=False)
    after = 2 * (2 + 4 + 1 + 1)
    assert told[before:] == [(n, after) for n in range(1, after + 1)]
