"""A tracking server elsewhere, on which a workspace's runs and versions are registered.

Which one is written in `mlruns`/server when the workspace is made; no line there means the
database in `mlruns`. The weights lie in `mlruns` all the same, since every run begins from them;
what serves from the server has its copy in the server's store, which goes with the version.

A server is shared. So a workspace's experiment bears its random name, and its registered model has
it as a tag: nothing of another workspace, and nothing by a copy of this one, is changed there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import urlopen

from ledger import durable
from ledger.errors import OutsideWorkspace
from systems.settings.ownership import MARK, Place, place_of
from systems.settings.workspace import Workspace
from unlearning.errors import InfrastructureError, UsageError

if TYPE_CHECKING:
    from mlflow import MlflowClient

FILE = "server"
OWNER = "lethe.owner"
"""Tag of a registered model: the random name of the workspace that it belongs to."""

VARIABLE = "MLFLOW_TRACKING_URI"
PATIENCE = 10
"""Seconds that a server may take to say that it is there."""

PLAIN = frozenset({"", "file"})
"""Schemes of artifact stores that keep no older versions."""


def address(mlruns: Path) -> str | None:
    """Give the server's address; None where the database in `mlruns` is used."""
    path = mlruns / FILE
    return durable.read(path).decode().strip() if path.is_file() else None


def bind(mlruns: Path, url: str | None) -> None:
    """Note the server of a workspace that is being made; anything but http leaves it without."""
    if url is None or urlsplit(url).scheme not in ("http", "https"):
        return
    if urlsplit(url).password is not None:
        raise UsageError(
            f"{VARIABLE}: holds a password, expected none, since the address is kept: set "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        )
    _require_answer(url)
    durable.make_folder(mlruns)
    durable.write(mlruns / FILE, f"{url.rstrip('/')}\n".encode())


def _require_answer(url: str) -> None:
    try:
        urlopen(f"{url.rstrip('/')}/health", timeout=PATIENCE).close()
    except OSError as problem:
        raise InfrastructureError(
            f"{VARIABLE}: {url} does not answer ({problem}), expected a tracking server: start it, "
            "or unset the variable to keep runs and versions in mlruns/"
        ) from problem


def experiment_of(mlruns: Path, local: str) -> str:
    """Give the name of the workspace's experiment; `local` where no server is shared."""
    return local if address(mlruns) is None else f"{local}-{_place(mlruns).owner[:12]}"


def require_own(client: MlflowClient, mlruns: Path, name: str) -> None:
    """Claim the registered model `name` on the server, or see that it is this workspace's.

    UsageError if it is another's, OutsideWorkspace for a copy of the workspace that it belongs to.
    """
    if address(mlruns) is None:
        return
    place = _place(mlruns)
    if not place.here(Workspace(mlruns.parent)):
        raise OutsideWorkspace(
            f"{mlruns.parent.name}: was copied or restored, and its versions are registered on a "
            f"server that the original may use; expected the original: remove {OWNER} from the "
            f"registered model {name} and records/{MARK} here if that is gone"
        )
    found = client.search_registered_models(f"name = '{name}'")
    if not found:
        client.create_registered_model(name, {OWNER: place.owner})
        return
    owner = found[0].tags.get(OWNER)
    if owner is None and not client.search_model_versions(f"name = '{name}'", max_results=1):
        client.set_registered_model_tag(name, OWNER, place.owner)
    elif owner != place.owner:
        raise UsageError(
            f"model.name: {name} is registered on {address(mlruns)} by another, expected a name "
            "that is this workspace's own: choose another in params.yaml"
        )


def _place(mlruns: Path) -> Place:
    found = place_of(Workspace(mlruns.parent))
    if found is None:
        raise InfrastructureError(
            f"records/{MARK}: is not there, expected this workspace's name for the server"
        )
    return found


def push(client: MlflowClient, mlruns: Path, model_id: str, folder: Path) -> None:
    """Copy what was stored for a version into the server's store; nothing without a server."""
    if address(mlruns) is not None:
        client.log_model_artifacts(model_id, str(folder))


def copies_of(client: MlflowClient, home: str, tag: str, digests: Collection[str]) -> list[str]:
    """Give the ids of an experiment's stored models that hold one of these weights, by a tag."""
    known = client.search_logged_models([home])
    return sorted(model.model_id for model in known if model.tags.get(tag) in digests)


def unverifiable(client: MlflowClient, mlruns: Path, model_id: str) -> str | None:
    """Say why nobody can see from here that a version's bytes are gone; None if one can."""
    location = _location(client, mlruns, model_id)
    if location is None or urlsplit(location).scheme in {*PLAIN, "s3"}:
        return None
    return "the tracking server's store may keep older versions, which only its keeper can list"


def erase(client: MlflowClient, mlruns: Path, model_id: str) -> None:
    """Remove the server's copy of a stored model, in a bucket every version of its objects.

    InfrastructureError if something is still listed afterwards.
    """
    location = _location(client, mlruns, model_id)
    if location is None:
        return
    store = _repository(location, address(mlruns))
    left = (
        _erase_objects(store, location)
        if urlsplit(location).scheme == "s3"
        else _erase_files(store)
    )
    if left:
        raise InfrastructureError(
            f"tracking server: {left} of the files of {model_id} are still listed in its store, "
            "expected none: see that they may be deleted there, then try again"
        )


def _location(client: MlflowClient, mlruns: Path, model_id: str) -> str | None:
    """Where the server keeps a stored model; None without a server, or if it has none."""
    from mlflow.exceptions import MlflowException

    if address(mlruns) is None:
        return None
    try:
        return str(client.get_logged_model(model_id).artifact_location)
    except MlflowException as problem:
        if problem.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def _repository(location: str, url: str | None) -> Any:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return get_artifact_repository(location, url)


def _erase_files(store: Any) -> int:
    for path in (entry.path for entry in store.list_artifacts()):
        store.delete_artifacts(path)
    return len(store.list_artifacts())


def _erase_objects(store: Any, location: str) -> int:
    """Remove every version of every object, with the connection that MLflow itself uses."""
    bucket, prefix = urlsplit(location).netloc, urlsplit(location).path.lstrip("/")
    objects = store._get_s3_client()  # with MLflow's endpoint and credentials
    for key, version in _versions(objects, bucket, prefix):
        objects.delete_object(Bucket=bucket, Key=key, VersionId=version)
    return len(list(_versions(objects, bucket, prefix)))


def _versions(objects: Any, bucket: str, prefix: str) -> Iterator[tuple[str, str]]:
    pages = objects.get_paginator("list_object_versions")
    for page in list(pages.paginate(Bucket=bucket, Prefix=f"{prefix.rstrip('/')}/")):
        for kind in ("Versions", "DeleteMarkers"):
            yield from ((found["Key"], found["VersionId"]) for found in page.get(kind, ()))
