"""Every registered method can stand in a policy's ladder, and is listed with what it costs."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from systems.compute.producing import make_method, unlearn
from systems.settings.policy import Policy, load_policy
from tasks.adopt import check_policy
from tasks.planning.plan import as_listed
from tests.unit import toys
from unlearning import networks
from unlearning.digests import sha256_file
from unlearning.methods import METHODS
from unlearning.outputs import logits_of

QUICK = {"epochs": 1, "steps": 3, "batch_size": 16, "precision": "fp32", "selection": 2.0}


def quick(name: str) -> dict[str, Any]:
    """Give the shortest settings that a method has."""
    fields = {field.name for field in dataclasses.fields(METHODS[name])}  # type: ignore[arg-type]
    return {key: value for key, value in QUICK.items() if key in fields}


def late(name: str) -> tuple[bool, bool]:
    """Order a ladder: it ends in an exact method that can always be tried."""
    return METHODS[name].exact, "bases" not in METHODS[name].needs


@pytest.fixture(scope="module")
def policy_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy whose ladder has every method once, the exact one last."""
    shipped = yaml.safe_load((Path(__file__).parents[3] / "policy.yaml").read_text())
    ladder = [{"method": name, "settings": quick(name)} for name in sorted(METHODS, key=late)]
    path = tmp_path_factory.mktemp("policy") / "policy.yaml"
    path.write_text(yaml.safe_dump({**shipped, "attempts": 99, "ladder": ladder}))
    return path


@pytest.fixture(scope="module")
def policy(policy_file: Path) -> Policy:
    return load_policy(policy_file)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("original")
    networks.save(toys.trained(), folder / "original.safetensors")
    networks.save(toys.frozen(), folder / "head_downdate.safetensors")
    return folder / "original.safetensors"


def test_a_policy_with_every_method_is_accepted(policy_file: Path, policy: Policy) -> None:
    check_policy(policy_file, None)
    assert [rung.method for rung in policy.ladder] == sorted(METHODS, key=late)


@pytest.mark.parametrize("name", list(METHODS))
def test_each_rung_unlearns_as_the_flow_does(
    name: str, policy: Policy, original: Path, tmp_path: Path
) -> None:
    """From the original's file to the candidate's, with settings as the policy gives them."""
    (rung,) = (rung for rung in policy.ladder if rung.method == name)
    method, split = make_method(rung.method, rung.settings, toys.TRAINING), toys.split()
    target = tmp_path / "candidate.safetensors"
    own = original.with_stem(name)  # of a method that needs another network than all others
    original = own if own.exists() else original
    ancestors = [tmp_path / f"base-{number}.safetensors" for number in range(3)]
    for base, path in zip(toys.bases(), ancestors, strict=True):
        networks.save(base, path)
    made = unlearn(original, split, method, 7, target, ancestors=ancestors)
    assert made.sha256 == sha256_file(target)
    assert made.losses and all(np.isfinite(made.losses))
    assert all(np.isfinite(value) for value in made.report.values())
    candidate, before = networks.load(target), networks.load(original)
    assert candidate.recipe == before.recipe
    assert np.isfinite(logits_of(candidate, split.test)).all()


def test_a_listed_method_says_what_it_costs() -> None:
    """Fine-tuning passes 10 * 9,000 examples, retraining 30 * 9,000."""
    listed = as_listed("finetune")
    told = {key: listed[key] for key in ("name", "access", "exact", "cost")}
    assert told == {"name": "finetune", "access": "retain", "exact": False, "cost": 0.333}
    assert "SFR-on" in listed["paper"] and "learning_rate" in listed["settings"]
    retrain = as_listed("retrain")
    assert (retrain["exact"], retrain["cost"]) == (True, 1.0)


@pytest.mark.parametrize("name", list(METHODS))
def test_every_method_is_listed_with_a_cost(name: str) -> None:
    assert as_listed(name)["cost"] > 0
