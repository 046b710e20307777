"""What MLflow's pages show of our runs, and where: addresses, and the columns of tables.

MLflow keeps a table's columns and order as a tag of the experiment, by which a link can name it.
All addresses are relative to the page that they stand on, so they hold behind any host or prefix.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from systems.registry.places import EXPERIMENT

NOTE = "mlflow.note.content"
"""Tag of a run or an experiment that is shown as its description."""

KIND = "lethe.kind"
"""Tag that tells a run over requests from an attempt in it."""

RUN, ATTEMPT = "run", "attempt"
NUMBERS = (
    *("attack_auc", "attack_auc_low", "attack_auc_high"),
    *("test_accuracy", "utility_loss", "seconds", "passes"),
)
"""The metrics by which runs and attempts are compared; everything else is in tables."""

_TRAINING = "workflowType=machine_learning"  # without it another view opens
_SHARED = "mlflow.sharedViewState."
_RUNS, _ATTEMPTS = "lethe-runs", "lethe-attempts"


def _tags(*names: str) -> list[str]:
    return [f"tags.`lethe.{name}`" for name in names]


def _view(search: str, order: str, columns: Sequence[str], **more: object) -> str:
    state = {
        "searchFilter": search,
        "orderByKey": order,
        "orderByAsc": not order.startswith("attributes."),
        "selectedColumns": ["attributes.`Created`", *columns],
    }
    return json.dumps(state | more)


def _numbers(*names: str) -> list[str]:
    return [f"metrics.`{name}`" for name in names]


def _charts() -> dict[str, object]:
    """Attempts as lines through their numbers, above the bars that MLflow adds by itself."""
    place = {"display": True, "isReordered": False, "deleted": False, "isGenerated": False}
    sections = [
        {"uuid": "lethe-lines", "name": "Attempts side by side", "columns": 1, **place},
        {"uuid": "lethe-bars", "name": "Model metrics", **place},
    ]
    lines = {
        "type": "PARALLEL",
        "uuid": "lethe-parallel",
        "metricSectionId": "lethe-lines",
        "runsCountToCompare": 100,
        "deleted": False,
        "isGenerated": False,
        "selectedParams": ["method"],
        "selectedMetrics": ["passes", "seconds", "utility_loss", "test_accuracy", NUMBERS[0]],
    }
    return {"compareRunCharts": [lines], "compareRunSections": sections}


RUN_COLUMNS = (
    *_numbers("attack_auc", "test_accuracy", "utility_loss"),
    *_tags("verdict", "assurance", "requests"),
)
ATTEMPT_COLUMNS = (
    *_numbers("attack_auc", "test_accuracy", "utility_loss", "seconds", "passes"),
    *_tags("verdict", "run"),
)


def address(number: str, view: str) -> str:
    """Give the address of a table of runs."""
    return f"#/experiments/{number}/runs?viewStateShareKey={view}&{_TRAINING}"


def experiment_tags(number: str) -> dict[str, str]:
    """Give the tags by which an experiment opens as the table of our runs, and explains itself."""
    return {
        "mlflow.experimentKind": "custom_model_development",
        "mlflow.experiment.primaryMetric.name": NUMBERS[0],
        f"{_SHARED}{_RUNS}": _view("", "attributes.start_time", RUN_COLUMNS),
        # Ordered by time, attempts would be folded into their runs.
        f"{_SHARED}{_ATTEMPTS}": _view(
            f"tags.`{KIND}` = '{ATTEMPT}'",
            f"metrics.`{NUMBERS[0]}`",
            ATTEMPT_COLUMNS,
            **_charts(),
        ),
        NOTE: (
            f"Each run serves deletion requests; its attempts are the runs inside it. [All runs]"
            f"({address(number, _RUNS)}) · [attempts side by side]({address(number, _ATTEMPTS)}"
            "&compareRunsMode=CHART). All of it is copied from the signed log; that alone counts."
        ),
    }


def page_of_runs(mlruns: Path) -> str:
    """Where MLflow's pages show our runs as a table, below the server's own address."""
    database = mlruns / "mlflow.db"
    if not database.is_file():
        return "/"
    with contextlib.closing(sqlite3.connect(database, timeout=60)) as connection:
        found = connection.execute(
            "SELECT experiment_id, (SELECT count(*) FROM experiment_tags t WHERE "
            "t.experiment_id = e.experiment_id AND key = ?) FROM experiments e WHERE name = ?",
            (f"{_SHARED}{_RUNS}", EXPERIMENT),
        ).fetchone()
    if found is None:
        return f"/#/experiments/0/runs?{_TRAINING}"
    number, ready = found
    return f"/{address(number, _RUNS)}" if ready else f"/#/experiments/{number}/runs?{_TRAINING}"


def page_of_run(experiment: str, run_id: str) -> str:
    """Where a run is shown."""
    return f"#/experiments/{experiment}/runs/{run_id}?{_TRAINING}"


def page_of_file(experiment: str, run_id: str, path: str) -> str:
    """Where a file of a run is shown."""
    return f"#/experiments/{experiment}/runs/{run_id}/artifacts/{quote(path)}?{_TRAINING}"


def address_of_file(run_id: str, path: str) -> str:
    """Where the bytes of a run's file are, as for a picture."""
    return f"get-artifact?path={quote(path)}&run_uuid={run_id}"


def page_of_version(name: str, number: int) -> str:
    """Where a version of the model is shown."""
    return f"#/models/{quote(name, safe='')}/versions/{number}"


def changed(tags: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """Give the tags that are not yet so."""
    return {key: value for key, value in tags.items() if known.get(key) != value}
