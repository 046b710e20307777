"""MLflow's runs: what was done, with which settings, data and results, for a reviewer to read.

The record is for reading; our own log is the truth. Everything here can be done twice with the
same effect, since a run that was killed does its last step again.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Literal, ParamSpec, TypeVar
from urllib.parse import quote

from systems.registry import places, server
from systems.registry.places import EXPERIMENT
from systems.settings.quiet import quiet_environment
from unlearning.errors import InfrastructureError, UsageError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, Metric

KEY = "lethe.key"
# Without this the run table opens in the view made for prompts and traces.
EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
LARGEST_BATCH = {"metrics": 1000, "params": 100}  # mlflow.utils.validation
LONGEST_DIGEST = 36  # mlflow.utils.validation; the whole digest stands in the profile

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Item = TypeVar("Item")
Status = Literal["FINISHED", "FAILED", "KILLED"]


class RegistryUnavailable(InfrastructureError):
    """MLflow's database or artifact folder did not do what it was asked."""


@dataclass(frozen=True)
class DatasetUse:
    """What a run read: a name, a digest and a count; never a row. context: training, forget."""

    name: str
    digest: str
    n: int
    context: str


def outside(work: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Turn what MLflow, its database or the disk raise into one RegistryUnavailable."""

    @wraps(work)
    def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        quiet_environment()
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            return work(*args, **kwargs)
        except (MlflowException, SQLAlchemyError, sqlite3.Error, OSError) as problem:
            first = (str(problem).splitlines() or ["no reason given"])[0]
            raise RegistryUnavailable(
                f"model registry: {work.__name__} failed, got {type(problem).__name__}: {first}; "
                f"{_expected(args)}"
            ) from problem

    return call


def _expected(args: tuple[object, ...]) -> str:
    away = server.address(args[0]) if args and isinstance(args[0], Path) else None
    if away is None:
        return "expected a writable mlruns folder; free it and try again"
    return f"expected {away} to answer; see that it does and try again"


def registry_uri(mlruns: Path) -> str:
    """Give the address of tracking and registry: a server's, or the database's in `mlruns`."""
    return server.address(mlruns) or database_uri(mlruns)


def database_uri(mlruns: Path) -> str:
    """Give the address of the tracking and registry database.

    A path with characters that mean something in an address is written as SQLite's own file: URI,
    in which they can be escaped.
    """
    path = str((mlruns / "mlflow.db").resolve())
    escaped = quote(path)
    return f"sqlite:///{path}" if escaped == path else f"sqlite:///file:{escaped}?uri=true"


def client(mlruns: Path) -> MlflowClient:
    """Open the database in `mlruns`; the first time it is created, which takes seconds."""
    # Asked first: MLflow itself would go on trying for a minute.
    mlruns.mkdir(parents=True, exist_ok=True)
    if not os.access(mlruns, os.W_OK):
        raise PermissionError(f"{mlruns.name} is read-only")
    return _client(mlruns.resolve())


@lru_cache(maxsize=8)
def _client(mlruns: Path) -> MlflowClient:
    from mlflow import MlflowClient

    if server.address(mlruns) is None:
        places.settle(mlruns)
    uri = registry_uri(mlruns)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def experiment(mlruns: Path) -> str:
    """Give the id of the one experiment, whose artifacts lie in `mlruns`/artifacts, or away."""
    name = server.experiment_of(mlruns, EXPERIMENT)
    found = client(mlruns).get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    if server.address(mlruns):  # where the server keeps what is logged to it
        return str(client(mlruns).create_experiment(name, tags=EXPERIMENT_TAGS))
    root = places.artifacts(mlruns).resolve().as_uri()
    made = str(client(mlruns).create_experiment(EXPERIMENT, root, EXPERIMENT_TAGS))
    places.settle(mlruns)  # MLflow's own first experiment, which it puts where we happen to be
    return made


def having(tags: Mapping[str, str], name: str | None = None) -> str:
    """Write MLflow's search filter for tags, and a name if given."""
    terms = [f"tags.`{key}` = {_quoted(value)}" for key, value in tags.items()]
    return " and ".join([f"name = {_quoted(name)}", *terms] if name is not None else terms)


def _quoted(value: str) -> str:
    if "'" in value:
        raise UsageError(f"{value!r} holds a quote; expected a reference without one")
    return f"'{value}'"


@outside
def start_run(
    mlruns: Path,
    name: str,
    *,
    key: str,
    tags: Mapping[str, str] | None = None,
    parent: str | None = None,
) -> str:
    """Give the id of the run that carries `key`; only the first call creates it."""
    home = experiment(mlruns)
    found = client(mlruns).search_runs([home], having({KEY: key}), max_results=1)
    if found:
        return str(found[0].info.run_id)
    inside = {} if parent is None else {"mlflow.parentRunId": parent}
    run = client(mlruns).create_run(home, tags={**(tags or {}), **inside, KEY: key}, run_name=name)
    return str(run.info.run_id)


@outside
def log(
    mlruns: Path,
    run_id: str,
    *,
    params: Mapping[str, object] | None = None,
    metrics: Mapping[str, float] | None = None,
    history: Mapping[str, Sequence[tuple[int, float]]] | None = None,
    artifacts: Sequence[Path] = (),
    datasets: Sequence[DatasetUse] = (),
    tags: Mapping[str, str] | None = None,
) -> None:
    """Add to a run. history: (step, value) pairs per metric. A folder keeps its name."""
    from mlflow.entities import Param

    series = {**{key: [(0, value)] for key, value in (metrics or {}).items()}, **(history or {})}
    settings = [Param(key, str(value)) for key, value in (params or {}).items()]
    for part in _batches(_metrics(mlruns, run_id, series), LARGEST_BATCH["metrics"]):
        client(mlruns).log_batch(run_id, metrics=part)
    for few in _batches(settings, LARGEST_BATCH["params"]):
        client(mlruns).log_batch(run_id, params=few)
    if datasets:
        client(mlruns).log_inputs(run_id, [_input(use) for use in datasets])
    for key, value in (tags or {}).items():
        client(mlruns).set_tag(run_id, key, value)
    for path in artifacts:
        _attach(mlruns, run_id, path)


def _metrics(
    mlruns: Path, run_id: str, series: Mapping[str, Sequence[tuple[int, float]]]
) -> list[Metric]:
    """Date each value by its step, not by the clock: logged again, it is the same row."""
    from mlflow.entities import Metric

    started = client(mlruns).get_run(run_id).info.start_time
    return [
        Metric(key, float(value), started + step, step)
        for key, points in series.items()
        for step, value in points
    ]


def _batches(items: Sequence[Item], size: int) -> Iterable[Sequence[Item]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _input(use: DatasetUse) -> DatasetInput:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    profile = json.dumps({"num_rows": use.n, "digest": use.digest})
    source = json.dumps({"digest": use.digest})
    dataset = Dataset(use.name, use.digest[:LONGEST_DIGEST], "dvc", source, profile=profile)
    return DatasetInput(dataset, [InputTag("mlflow.data.context", use.context)])


def _attach(mlruns: Path, run_id: str, path: Path) -> None:
    if path.is_dir():
        client(mlruns).log_artifacts(run_id, str(path), path.name)
    else:
        client(mlruns).log_artifact(run_id, str(path))


@outside
def finish(mlruns: Path, run_id: str, status: Status = "FINISHED") -> None:
    """Close a run; a run that is done again is closed again."""
    client(mlruns).set_terminated(run_id, status)
