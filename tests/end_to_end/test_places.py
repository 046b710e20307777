"""A workspace may be copied and moved: what it does it does to itself, and all of it follows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.end_to_end.commandline import Lethe
from tests.end_to_end.conftest import MakeLethe
from tests.end_to_end.traces import canary_of, contents, holding, people_of


@pytest.fixture(scope="module")
def original(make_lethe: MakeLethe) -> Lethe:
    return make_lethe("original")


@pytest.mark.long
def test_a_drill_in_a_copy_leaves_the_original_as_it_was_and_the_copy_can_be_moved(
    original: Lethe, make_lethe: MakeLethe
) -> None:
    """Without days of grace the champion's weights go: the copy's, never the original's."""
    before = contents(original.root)
    drill = make_lethe("drill", original.root)
    drill.change("model", "grace_days", 0)
    first, second = people_of(drill.root, "train", 2)
    found = drill.forget(request := drill.submit("--subject", first)).json
    assert found["states"] == {request: "complete"}
    gone = {"where": "model registry", "what": "weights of version 1", "status": "removed"}
    assert gone in found["copies"]
    assert contents(original.root) == before

    moved = move(drill)
    assert moved("doctor").json["ok"]
    canary = canary_of(moved.root, [second])
    found = moved.forget(moved.submit("--subject", second)).json
    assert found["decision"] == "released"
    assert Path(found["champion"]["weights"]).is_relative_to(moved.root)
    assert holding(canary, moved.root) == []
    assert_mlflow_finds(moved, found["run"])
    assert contents(original.root) == before


def move(lethe: Lethe) -> Lethe:
    """Give the workspace another place, so that the one before is nowhere."""
    elsewhere = lethe.root.with_name("moved elsewhere")
    lethe.root.rename(elsewhere)
    return replace(lethe, root=elsewhere)


def assert_mlflow_finds(lethe: Lethe, run: str) -> None:
    """Assert that MLflow's own client lists the evidence, and loads the version that serves."""
    import mlflow
    import mlflow.pyfunc

    address = f"sqlite:///{lethe.root / 'mlruns' / 'mlflow.db'}"
    client = mlflow.MlflowClient(address, address)
    (parent,) = client.search_runs(
        ["1"], f"tags.`lethe.run` = '{run}' and params.method = 'ladder'"
    )
    found = {artifact.path for artifact in client.list_artifacts(parent.info.run_id)}
    assert found == {run, "verdicts.json"}
    mlflow.set_tracking_uri(address)
    mlflow.set_registry_uri(address)
    assert mlflow.pyfunc.load_model("models:/lethe@champion").metadata.signature is not None
