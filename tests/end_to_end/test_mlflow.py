"""A run as a reviewer meets it in MLflow."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.end_to_end.conftest import Told
from tests.end_to_end.traces import contents


@pytest.fixture
def client(told: Told) -> Any:
    from systems.registry import tracking

    return tracking.client(told.lethe.root / "mlruns")


def runs_of(client: Any, told: Told) -> tuple[Any, list[Any]]:
    (experiment,) = [e for e in client.search_experiments() if e.name == "lethe"]
    found = client.search_runs([experiment.experiment_id], order_by=["start_time ASC"])
    (parent,) = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
    return parent, [run for run in found if run is not parent]


def test_one_run_with_a_child_for_each_attempt(client: Any, told: Told) -> None:
    parent, children = runs_of(client, told)
    attempts = told.answer.json["attempts"]
    assert {child.data.tags["mlflow.parentRunId"] for child in children} == {parent.info.run_id}
    assert [child.data.params["method"] for child in children] == [
        attempt["method"] for attempt in attempts
    ]
    assert [child.data.tags["lethe.verdict"] for child in children] == [
        attempt["decision"] for attempt in attempts
    ]
    assert {run.info.status for run in (parent, *children)} == {"FINISHED"}


def test_settings_losses_and_measurements(client: Any, told: Told) -> None:
    _, children = runs_of(client, told)
    finetune = children[1]
    assert finetune.data.params["epochs"] == "2"
    history = client.get_metric_history(finetune.info.run_id, "loss")
    assert [point.step for point in history] == [1, 2]
    for name in ("forget_auc", "forget_auc_low", "forget_auc_high", "accuracy_drop"):
        assert name in finetune.data.metrics


def test_data_and_decision(client: Any, told: Told) -> None:
    parent, _ = runs_of(client, told)
    tags, statement = parent.data.tags, told.statement
    assert tags["lethe.run"] == told.answer.json["run"]
    assert tags["lethe.requests"] == told.request
    assert tags["lethe.policy"] == statement["policy_sha256"]
    assert (tags["lethe.verdict"], tags["lethe.assurance"]) == (
        statement["decision"],
        statement["assurance"],
    )
    inputs = {use.dataset.name: use.dataset for use in parent.inputs.dataset_inputs}
    assert set(inputs) == {"training set", "forget set"}
    profile = json.loads(inputs["forget set"].profile)
    assert profile["num_rows"] == statement["forget_set"]["train"]
    assert profile["digest"] == statement["forget_set"]["commitment"]


def test_the_evidence_is_attached_as_it_was_sealed(client: Any, told: Told) -> None:
    parent, _ = runs_of(client, told)
    (bundle,) = client.list_artifacts(parent.info.run_id)
    copy = told.lethe.root / "mlruns" / "artifacts" / parent.info.run_id / "artifacts"
    assert bundle.path == told.bundle.name
    later = ("erasure/", "completion/")  # statements of what came after the run was traced
    sealed = {n: c for n, c in contents(told.bundle).items() if not n.startswith(later)}
    assert contents(copy / bundle.path) == sealed
    assert {"report.html", "expectations/measurements/index.html"} < set(contents(told.bundle))


def test_the_version_links_all_of_it(client: Any, told: Told) -> None:
    model = client.get_registered_model("lethe")
    assert {alias: int(n) for alias, n in model.aliases.items()} == {"champion": 2}
    parent, _ = runs_of(client, told)
    found = client.get_model_version("lethe", "2")
    assert found.run_id == parent.info.run_id
    expected = {
        "lethe.run": told.answer.json["run"],
        "lethe.parent": "1",
        "lethe.data_version": told.statement["forget_set"]["data_version"],
        "lethe.policy": told.statement["policy_sha256"],
        "lethe.verdict": "released",
        "lethe.sha256": told.statement["candidate"]["sha256"],
    }
    assert expected.items() <= found.tags.items()
