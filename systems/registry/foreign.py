"""Versions that Lethe did not register: under the model's own name, and under all others.

MLflow's page *Register model* makes one, and so does every client of MLflow. They are looked at and
never changed, but that a copy of weights which are to be erased goes with them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from systems.registry import places
from systems.registry.models import OURS, SHA256, aliases_of, is_own
from systems.registry.tracking import client, having, outside
from unlearning.digests import sha256_file

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion as Stored

DERIVED = "lethe.derived_from"
"""Tag by which whoever fine-tunes, quantises or exports a version says what it was made from:
MODEL/VERSION or the SHA-256 of the weights, several parted by commas."""


@dataclass(frozen=True)
class Other:
    """A version under another name. source: as MLflow has it; derived: what it was made from."""

    name: str
    version: int
    source: str
    derived: tuple[str, ...]


@outside
def others(mlruns: Path, name: str) -> tuple[Other, ...]:
    """Give the versions under all other names of the registry; their bytes are not looked at."""
    api, found, token = client(mlruns), list[Other](), None
    while True:
        page = api.search_model_versions(page_token=token)
        found += [_other(stored) for stored in page if stored.name != name]
        token = page.token
        if not token:
            return tuple(sorted(found, key=lambda one: (one.name, one.version)))


def _other(stored: Stored) -> Other:
    source = str(stored.source)
    return Other(str(stored.name), int(stored.version), source, derived(source, stored.tags))


@dataclass(frozen=True)
class Foreign:
    """A version that somebody else registered.

    source: as MLflow has it. digests: SHA-256 of the files that lie there, as far as they can be
    read from here, and what the stored model bears as its own. own_store: whether all of it lies in
    the workspace's store of models, under an id of MLflow's, by which alone it can be erased.
    derived: what it was made from, by its tag and its source.
    """

    name: str
    version: int
    source: str
    digests: frozenset[str]
    files: tuple[Path, ...]
    own_store: bool
    derived: tuple[str, ...]
    aliases: tuple[str, ...]


@outside
def foreign(mlruns: Path, name: str) -> tuple[Foreign, ...]:
    """Give the versions under a name that Lethe did not register, oldest first."""
    api = client(mlruns)
    found = [one for one in api.search_model_versions(having({}, name)) if not is_own(one)]
    if not found:
        return ()
    models = api.search_registered_models(having({}, name))
    named = {alias: int(number) for model in models for alias, number in model.aliases.items()}
    ordered = sorted(found, key=lambda one: int(one.version))
    return tuple(_foreign(mlruns, stored, named) for stored in ordered)


def _foreign(mlruns: Path, stored: Stored, aliases: Mapping[str, int]) -> Foreign:
    files, claimed = tuple(_files(mlruns, stored)), _claimed(mlruns, stored)
    store, source = places.artifacts(mlruns).resolve() / "models", str(stored.source)
    within = source.startswith(OURS) and all(_lies_in(store, path) for path in files)
    return Foreign(
        name=str(stored.name),
        version=int(stored.version),
        source=source,
        digests=frozenset([*map(_digest, files), *claimed]),
        files=files,
        own_store=within or not files,
        derived=derived(source, stored.tags),
        aliases=aliases_of(int(stored.version), aliases),
    )


def _digest(path: Path) -> str:
    """SHA-256 of a file, which is read again only where it is another or was written since.

    A command asks for the same versions several times, and weights are large. Who sets a time back
    changes the file's own all the same.
    """
    at = path.stat()
    return _read(path, (at.st_dev, at.st_ino, at.st_size, at.st_mtime_ns, at.st_ctime_ns))


@lru_cache(maxsize=1024)
def _read(path: Path, state: tuple[int, ...]) -> str:
    """Read a file. state: by which it is known to be the same."""
    return sha256_file(path)


def _lies_in(folder: Path, path: Path) -> bool:
    return path.resolve().is_relative_to(folder)


def derived(source: str, tags: Mapping[str, str]) -> tuple[str, ...]:
    """Read what a version says that it was made from: by its tag, and by its source.

    What MLflow copies to another name has models:/MODEL/VERSION, the original, for its source.
    """
    copied = [source] if re.fullmatch(r"models:/[^/]+/[0-9]+", source) else []
    parts = (part.strip() for part in (*copied, *tags.get(DERIVED, "").split(",")))
    return tuple(dict.fromkeys(part.removeprefix("models:/") for part in parts if part))


def _claimed(mlruns: Path, stored: Stored) -> list[str]:
    """What the stored model of a version bears as the digest of its weights."""
    model = _logged_model(mlruns, stored)
    return [model.tags[SHA256]] if model is not None and SHA256 in model.tags else []


def _files(mlruns: Path, stored: Stored) -> Iterator[Path]:
    """Give the files that a version's source names, where they lie on this machine."""
    place = _place(mlruns, stored)
    if place is None:
        return
    if place.is_file():
        yield place
    elif place.is_dir():
        yield from (path for path in sorted(place.rglob("*")) if path.is_file())


def _place(mlruns: Path, stored: Stored) -> Path | None:
    source = str(stored.source)
    if source.startswith(OURS):
        model = _logged_model(mlruns, stored)
        return None if model is None else _local(str(model.artifact_location))
    if run := re.fullmatch(r"runs:/([0-9a-f]+)/?(.*)", source):
        return _of_run(mlruns, *run.groups())
    return _local(source)


def _of_run(mlruns: Path, run_id: str, path: str) -> Path | None:
    from mlflow.exceptions import MlflowException

    try:
        root = _local(str(client(mlruns).get_run(run_id).info.artifact_uri))
    except MlflowException:
        return None
    return None if root is None else root / path


def _logged_model(mlruns: Path, stored: Stored) -> Any:
    """Give the stored model that a version names; None if it is gone or names none."""
    from mlflow.exceptions import MlflowException

    if not str(stored.source).startswith(OURS):
        return None
    try:
        return client(mlruns).get_logged_model(str(stored.source).removeprefix("models:/"))
    except MlflowException:
        return None


def _local(address: str) -> Path | None:
    """Give the place on this machine that an address names; None if it names none."""
    parts = urlsplit(address)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return Path(address) if not parts.scheme and address.startswith("/") else None
