"""A run as a reviewer meets it in MLflow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from systems.registry import views
from systems.report.notes import plain
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
    assert set(finetune.data.metrics) == {"loss", *views.NUMBERS}
    table = table_of(client, finetune, "measurements")
    assert {"forget_auc", "null_auc", "accuracy_drop"} <= {row["measurement"] for row in table}


def table_of(client: Any, run: Any, name: str) -> list[dict[str, Any]]:
    path = client.download_artifacts(run.info.run_id, f"{name}.json")
    found = json.loads(Path(path).read_text())
    return [dict(zip(found["columns"], row, strict=True)) for row in found["data"]]


def test_descriptions_say_what_was_sealed(client: Any, told: Told) -> None:
    parent, children = runs_of(client, told)
    note, statement = parent.data.tags[views.NOTE], told.statement
    assert note.startswith("**Released** in place of [version 1](#/models/lethe/versions/1): A")
    assert "[version 2](#/models/lethe/versions/2) served when it ended." in note
    assert told.request in note and f"to forget {statement['forget_set']['train']} train" in note
    for child, attempt in zip(children, statement["attempts"], strict=True):
        assert views.page_of_run(parent.info.experiment_id, child.info.run_id) in note
        own = child.data.tags[views.NOTE]
        for verdict in attempt["verdicts"]:
            assert f"- {plain(verdict['gate'])} **{verdict['outcome']}**" in own
            assert plain(verdict["reason"]) in own
    verdicts = table_of(client, parent, "verdicts")
    sealed = [v for attempt in statement["attempts"] for v in attempt["verdicts"]]
    assert [(row["gate"], row["outcome"]) for row in verdicts] == [
        (v["gate"], v["outcome"]) for v in sealed
    ]


def test_versions_say_which_serves_and_what_taints_the_others(client: Any, told: Told) -> None:
    first, second = (client.get_model_version("lethe", n).description for n in "12")
    assert first.startswith("Served from ") and second.startswith("Serves since ")
    assert f"by {told.answer.json['run']}: it must never serve again" in first
    assert f"Assurance {told.statement['assurance']} (" in second
    assert told.statement["policy_sha256"] in second
    assert client.get_registered_model("lethe").description.startswith("[version 2](#/models")


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
    (bundle,) = [f for f in client.list_artifacts(parent.info.run_id) if f.is_dir]
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
        "lethe.assurance": told.statement["assurance"],
        "lethe.verdict": "released",
        "lethe.sha256": told.statement["candidate"]["sha256"],
    }
    assert expected.items() <= found.tags.items()
