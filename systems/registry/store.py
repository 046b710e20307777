"""Where MLflow keeps the bytes of a version: put there once, and taken away for good.

Deleting a version or a run leaves the files, and marking a stored model as deleted leaves them too:
so we remove the files ourselves, and then the row.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Collection, Iterator, Mapping
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any

import unlearning
from ledger import durable
from systems.registry import places, server
from systems.registry.tracking import client, database_uri, experiment, having

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

WEIGHTS = "weights.safetensors"
REQUIREMENTS = ("torch", "torchvision", "timm", "numpy", "safetensors", "scipy")
LOADER = Path(__file__).with_name("pyfunc.py")


def stored_folder(mlruns: Path, model_id: str) -> Path:
    """Give the folder of a stored model, as MLflow lays it out below the experiment's root."""
    return _models(mlruns) / model_id / "artifacts"


def _models(mlruns: Path) -> Path:
    return places.artifacts(mlruns) / "models"


def weights_of(mlruns: Path, model_id: str) -> Path:
    """Give the weights of a stored model."""
    return stored_folder(mlruns, model_id) / "artifacts" / WEIGHTS


def drop_strays(
    mlruns: Path, name: str, identity: Mapping[str, str], *, but: Collection[str] = ()
) -> None:
    """Erase copies that were stored and never became a version: no later erasure would see them.

    but: ids of stored models that did.
    """
    home = [experiment(mlruns)]
    for stray in client(mlruns).search_logged_models(home, having(identity, name)):
        if stray.model_id not in but:
            erase_stored(mlruns, stray.model_id)


def store(
    mlruns: Path,
    name: str,
    weights: Path,
    recipe: Mapping[str, Any],
    identity: Mapping[str, str],
    run_id: str | None,
) -> str:
    """Copy weights and what is needed to serve them into the store; give the copy's id."""
    model = client(mlruns).create_logged_model(
        experiment(mlruns), name, run_id, dict(identity), model_type=_kind(recipe)
    )
    with _staged(mlruns, weights, recipe) as artifacts:
        _save(stored_folder(mlruns, model.model_id), artifacts, recipe)
    server.push(client(mlruns), mlruns, model.model_id, stored_folder(mlruns, model.model_id))
    client(mlruns).finalize_logged_model(model.model_id, "READY")
    return str(model.model_id)


def staging(mlruns: Path) -> Path:
    """Give the folder where a version is put together; a crash may leave weights there."""
    return mlruns / "staging"


def clear_staging(mlruns: Path) -> None:
    """Remove what was put together there."""
    durable.remove_folder(staging(mlruns), within=mlruns)


@contextlib.contextmanager
def _staged(mlruns: Path, weights: Path, recipe: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Give the files their stored names; MLflow keeps the names that it is given."""
    folder = staging(mlruns)
    clear_staging(mlruns)
    folder.mkdir()
    try:
        _link_or_copy(weights, folder / WEIGHTS)
        (folder / "recipe.json").write_text(json.dumps(recipe, sort_keys=True))
        yield {"weights": str(folder / WEIGHTS), "recipe": str(folder / "recipe.json")}
    finally:
        clear_staging(mlruns)


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)


def _save(folder: Path, artifacts: dict[str, str], recipe: Mapping[str, Any]) -> None:
    import mlflow.pyfunc

    with warnings.catch_warnings():
        # Advice to infer a signature from an example; the signature is given.
        warnings.simplefilter("ignore", UserWarning)
        mlflow.pyfunc.save_model(
            str(folder),
            python_model=str(LOADER),
            artifacts=artifacts,
            code_paths=[str(Path(unlearning.__file__).parent)],
            signature=_signature(recipe),
            pip_requirements=[f"{p}=={installed(p).split('+')[0]}" for p in _needed(recipe)],
        )


GENERATOR = "generator"
DRAWING = (("guidance", "double", 2.0), ("steps", "long", 10), ("seed", "long", 0))
"""What a served generator may be told of how to draw, with what it takes otherwise."""


def _kind(recipe: Mapping[str, Any]) -> str:
    """Say what a recipe builds: timesteps are of generators alone."""
    return GENERATOR if "timesteps" in recipe else "classifier"


def _needed(recipe: Mapping[str, Any]) -> tuple[str, ...]:
    return (*REQUIREMENTS, "diffusers") if _kind(recipe) == GENERATOR else REQUIREMENTS


def rehearse() -> None:
    """Save a model without weights aside and drop it: MLflow lists all packages the first time."""
    with tempfile.TemporaryDirectory(prefix="lethe-") as name:
        nothing = Path(name) / WEIGHTS
        nothing.touch()
        _save(
            Path(name) / "model",
            {"weights": str(nothing)},
            {"channels": 1, "size": 1, "classes": 2},
        )


def _signature(recipe: Mapping[str, Any]) -> ModelSignature:
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import ParamSchema, ParamSpec, Schema, TensorSpec

    images = (-1, recipe["channels"], recipe["size"], recipe["size"])
    if _kind(recipe) == GENERATOR:
        return ModelSignature(
            Schema([TensorSpec(np.dtype("int64"), (-1,))]),
            Schema([TensorSpec(np.dtype("uint8"), images)]),
            ParamSchema([ParamSpec(*param) for param in DRAWING]),
        )
    return ModelSignature(
        Schema([TensorSpec(np.dtype("uint8"), images)]),
        Schema([TensorSpec(np.dtype("float32"), (-1, recipe["classes"]))]),
    )


def erase_stored(mlruns: Path, model_id: str) -> None:
    """Remove a stored model, its files and its row; what is gone already is passed over.

    The files first, by ourselves: as long as the row stands, what was cut short is done again.
    MLflow's garbage collection would delete wherever its rows say, and every run that somebody
    marked as deleted along with it.
    """
    server.erase(client(mlruns), mlruns, model_id)
    durable.remove_folder(stored_folder(mlruns, model_id).parent, within=_models(mlruns))
    with _gone_already():
        _delete_row(mlruns, model_id)


@contextlib.contextmanager
def _gone_already() -> Iterator[None]:
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as problem:
        if problem.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise


def _delete_row(mlruns: Path, model_id: str) -> None:
    """Delete a row, which the client would only mark; MLflow's `gc` calls this too.

    A server marks it: its row holds no weights, and only its keeper can collect it.
    """
    if server.address(mlruns):
        client(mlruns).delete_logged_model(model_id)
        return
    from mlflow.tracking._tracking_service.utils import _get_store

    rows: Any = _get_store(database_uri(mlruns))  # type: ignore[no-untyped-call]
    rows._hard_delete_logged_model(model_id)
