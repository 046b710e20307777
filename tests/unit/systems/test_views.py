"""Where MLflow's pages show our runs."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from systems.registry import views

TRAINING = "workflowType=machine_learning"


def database(mlruns: Path, *, dressed: bool) -> None:
    with closing(sqlite3.connect(mlruns / "mlflow.db")) as connection, connection:
        connection.execute("CREATE TABLE experiments (experiment_id INTEGER, name TEXT)")
        connection.execute("CREATE TABLE experiment_tags (key TEXT, experiment_id INTEGER)")
        connection.execute("INSERT INTO experiments VALUES (7, 'lethe')")
        if dressed:
            rows = [(key,) for key in views.experiment_tags("7")]
            connection.executemany("INSERT INTO experiment_tags VALUES (?, 7)", rows)


def test_the_address_opens_the_table_in_the_view_for_models(tmp_path: Path) -> None:
    database(tmp_path, dressed=True)
    found = views.page_of_runs(tmp_path)
    assert found == f"/#/experiments/7/runs?viewStateShareKey=lethe-runs&{TRAINING}"


def test_of_an_experiment_that_lacks_the_view_it_opens_without(tmp_path: Path) -> None:
    database(tmp_path, dressed=False)
    assert views.page_of_runs(tmp_path) == f"/#/experiments/7/runs?{TRAINING}"


def test_without_a_database_it_is_the_first_page(tmp_path: Path) -> None:
    assert views.page_of_runs(tmp_path) == "/"


def test_every_view_has_the_numbers_that_are_compared() -> None:
    tags = views.experiment_tags("7")
    shared = [json.loads(v) for k, v in tags.items() if k.startswith("mlflow.sharedViewState.")]
    assert len(shared) == 2
    for view in shared:
        assert {"metrics.`attack_auc`", "metrics.`utility_loss`"} <= {*view["selectedColumns"]}
    assert tags["mlflow.experiment.primaryMetric.name"] == views.NUMBERS[0]


def test_addresses_are_relative_and_quote_what_they_hold() -> None:
    assert views.page_of_version("a b/c", 2) == "#/models/a%20b%2Fc/versions/2"
    assert views.page_of_file("7", "r", "run-1/a b.json").startswith(
        "#/experiments/7/runs/r/artifacts/run-1/a%20b.json?"
    )
    assert views.address_of_file("r", "a b.png") == "get-artifact?path=a%20b.png&run_uuid=r"
