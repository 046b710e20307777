"""MLflow's runs: what was done, with which settings, data and results, for a reviewer to read.

The record is for reading; our own log is the truth. Everything here can be done twice with the
same effect, since a run that was killed does its last step again.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Literal, ParamSpec, TypeVar
from urllib.parse import quote

from systems.registry import places, server, views
from systems.registry.logged import DatasetUse, Table, listed
from systems.registry.places import EXPERIMENT
from systems.settings.quiet import quiet_environment
from unlearning.errors import InfrastructureError, UsageError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

KEY = "lethe.key"
LARGEST_BATCH = {"metrics": 1000, "params": 100}  # mlflow.utils.validation

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Item = TypeVar("Item")
Status = Literal["FINISHED", "FAILED", "KILLED"]


class RegistryUnavailable(InfrastructureError):
    """MLflow's database or artifact folder did not do what it was asked."""


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
        made = str(client(mlruns).create_experiment(name))
    else:
        root = places.artifacts(mlruns).resolve().as_uri()
        made = str(client(mlruns).create_experiment(EXPERIMENT, root))
        places.settle(mlruns)  # MLflow's own first experiment, which it puts where we happen to be
    _dress(mlruns, made, {})
    return made


def _dress(mlruns: Path, number: str, known: Mapping[str, str]) -> None:
    """Let the experiment open as the table of our runs, also one that an older Lethe made."""
    for key, value in views.changed(views.experiment_tags(number), known).items():
        client(mlruns).set_experiment_tag(number, key, value)


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
    if found := _only_run(mlruns, home, key):
        return found
    _dress(mlruns, home, client(mlruns).get_experiment(home).tags)
    inside = {} if parent is None else {"mlflow.parentRunId": parent}
    kind = {views.KIND: views.RUN if parent is None else views.ATTEMPT}
    own = {**kind, **(tags or {}), **inside, KEY: key}
    made = client(mlruns).create_run(home, tags=own, run_name=name)
    return _only_run(mlruns, home, key) or str(made.info.run_id)


def _only_run(mlruns: Path, home: str, key: str) -> str | None:
    """Give the run that carries a key; what the client made twice for a lost reply is deleted."""
    found = client(mlruns).search_runs([home], having({KEY: key}))
    for doubled in found[1:]:
        client(mlruns).delete_run(doubled.info.run_id)
    return str(found[0].info.run_id) if found else None


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
    tables: Sequence[Table] = (),
    tags: Mapping[str, str] | None = None,
) -> None:
    """Add to a run. history: (step, value) pairs per metric. A folder keeps its name.

    tables: all that the run has, each a file that MLflow shows as a table.
    """
    from mlflow.entities import Param

    series = {**{key: [(0, value)] for key, value in (metrics or {}).items()}, **(history or {})}
    settings = [Param(key, str(value)) for key, value in (params or {}).items()]
    for part in _batches(_metrics(mlruns, run_id, series), LARGEST_BATCH["metrics"]):
        client(mlruns).log_batch(run_id, metrics=part)
    for few in _batches(settings, LARGEST_BATCH["params"]):
        client(mlruns).log_batch(run_id, params=few)
    if datasets:
        client(mlruns).log_inputs(run_id, [use.as_input() for use in datasets])
    for table in tables:
        client(mlruns).log_dict(run_id, table.as_logged(), table.file)
    for key, value in {**listed(tables), **(tags or {})}.items():
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


def _attach(mlruns: Path, run_id: str, path: Path) -> None:
    if path.is_dir():
        client(mlruns).log_artifacts(run_id, str(path), path.name)
    else:
        client(mlruns).log_artifact(run_id, str(path))


@outside
def finish(mlruns: Path, run_id: str, status: Status = "FINISHED") -> None:
    """Close a run; a run that is done again is closed again."""
    client(mlruns).set_terminated(run_id, status)
