"""What `plan` says before anything is trained: can it be decided, and what would it take."""

from __future__ import annotations

import pytest

from ledger.lock import workspace_lock
from tests.end_to_end.commandline import Lethe, subjects
from tests.end_to_end.conftest import MakeLethe
from tests.end_to_end.traces import contents, people_of


@pytest.fixture(scope="module")
def lethe(make_lethe: MakeLethe) -> Lethe:
    return make_lethe("planned")


def ours(lethe: Lethe) -> dict[str, bytes]:
    """What a workspace holds, but for MLflow's database and DVC's notes to itself."""
    theirs = ("mlruns/mlflow.db", ".dvc/tmp/")
    return {n: file for n, file in contents(lethe.root).items() if not n.startswith(theirs)}


def test_one_person_is_foreseen_as_one_by_the_models_of_the_bank(lethe: Lethe) -> None:
    """A dozen digits and eight shadows of one epoch: too little, and the plan says what it saw."""
    request = lethe.submit(*subjects(people_of(lethe.root, "train", 1)))
    before = ours(lethe)
    with workspace_lock(lethe.root / "records" / "lock"):  # as while a training runs
        plan = lethe("plan", request).json
    assert ours(lethe) == before
    assert plan["decidable"] is False
    assert "judged as one" in plan["why"] and "which lineage proves" in plan["why"]
    power = plan["power"]
    assert power["draws"] == 400 and power["champion_measured"]
    assert 0 <= power["low"] <= power["passed"] <= power["high"] < 0.8


def test_many_people_are_simulated_with_what_the_bank_and_the_champion_show(lethe: Lethe) -> None:
    request = lethe.submit(*subjects(people_of(lethe.root, "train", 30)))
    plan = lethe("plan", request).json
    power = plan["power"]
    assert power["draws"] == 400 and power["champion_measured"]
    assert power["low"] <= power["passed"] <= power["high"]
    assert plan["decidable"] == (power["passed"] >= 0.8)
    assert f"pass in {power['passed']:.0%}" in plan["why"]
    assert lethe("plan", request).json["power"] == power  # chance comes from the workspace's seed
