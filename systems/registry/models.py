"""MLflow's model registry: which weights exist, which serve, which were judged how.

A version is known by the digest of its weights. Every change happens under one lock, and can be
done twice with the same effect.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from systems.registry import server
from systems.registry.store import clear_staging, drop_strays, store, weights_of
from systems.registry.tracking import client, having, outside, registry_uri
from unlearning.digests import sha256_file
from unlearning.errors import InfrastructureError, IntegrityError, UsageError

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion as Stored

SHA256 = "lethe.sha256"
RUN = "lethe.run"
CHAMPION = "champion"
CANDIDATE = "candidate"
OURS = "models:/m-"
"""Begins the source of what lies in MLflow's store of logged models; the id follows."""

UNREGISTERED = "not registered by Lethe"
"""Stands for the SHA-256 of a version that somebody else registered."""


class StaleChampion(InfrastructureError):
    """Somebody promoted another version since the candidate was made from its parent."""


@dataclass(frozen=True)
class ModelVersion:
    """One registered network.

    sha256: of `weights`, the file in MLflow's artifact store. model_id: MLflow's name of that copy.
    """

    name: str
    version: int
    sha256: str
    weights: Path
    model_id: str
    run_id: str | None
    tags: Mapping[str, str]
    aliases: tuple[str, ...] = ()


@outside
def register(
    mlruns: Path,
    name: str,
    weights: Path,
    recipe: Mapping[str, Any],
    tags: Mapping[str, str],
    run_id: str | None = None,
) -> ModelVersion:
    """Copy weights into the store and name them as a new version of `name`.

    The same bytes for the same run (tag lethe.run) are one version, however often they are given:
    a crash just before this returns must not make two. recipe: what `Recipe.from_dict` reads.
    """
    identity = {SHA256: sha256_file(weights), RUN: tags.get(RUN, "none")}
    with locked(mlruns, name):
        found = _having(mlruns, name, identity)
        if not found:
            drop_strays(mlruns, name, identity)
            model_id = store(mlruns, name, weights, recipe, identity, run_id)
            _check(f"copy of {weights.name}", weights_of(mlruns, model_id), identity[SHA256])
            _declare(mlruns, name, model_id, {**tags, **identity}, run_id)
            found = _having(mlruns, name, identity)
        return _only_one(mlruns, name, identity, found)


def _having(mlruns: Path, name: str, identity: Mapping[str, str]) -> Sequence[Any]:
    return client(mlruns).search_model_versions(having(identity, name))


def _only_one(
    mlruns: Path, name: str, identity: Mapping[str, str], found: Sequence[Any]
) -> ModelVersion:
    """Give the first of the versions with an identity; what a lost reply doubled is taken back.

    MLflow's client asks again where a reply was lost, and the server has then done it twice. One
    that has an alias is the first.
    """
    named = _aliases(mlruns, name)
    first, *again = sorted(
        found, key=lambda one: (int(one.version) not in named.values(), int(one.version))
    )
    for stored in again:
        client(mlruns).delete_model_version(name, stored.version)
    drop_strays(mlruns, name, identity, but={_model_id(first)})
    return version(mlruns, name, int(first.version))


@outside
def drop_unnamed(mlruns: Path, name: str, run: str) -> None:
    """Remove what registering a run's weights has stored, where a crash left it without a version.

    To be called before the run's versions are erased: of those the stored copy stays.
    """
    with locked(mlruns, name):
        clear_staging(mlruns)
        named = {_model_id(one) for one in client(mlruns).search_model_versions(having({}, name))}
        drop_strays(mlruns, name, {RUN: run}, but=named)


@contextmanager
def locked(mlruns: Path, name: str) -> Iterator[None]:
    """Wait for, then hold, the one right to change the registry; a killed holder frees it.

    A server has no compare-and-set: there this right, the name's one owner and the log's sealed
    decision are what keeps two from promoting over each other.
    """
    mlruns.mkdir(parents=True, exist_ok=True)
    with (mlruns / "registry.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if server.address(mlruns):
            server.require_own(client(mlruns), mlruns, name)
        yield


def _declare(
    mlruns: Path, name: str, model_id: str, tags: dict[str, str], run_id: str | None
) -> ModelVersion:
    import mlflow

    # The registry looks the stored model up through the process-wide address, not the client's.
    mlflow.set_tracking_uri(registry_uri(mlruns))
    if server.address(mlruns) is None and not _known(mlruns, name):
        client(mlruns).create_registered_model(name)
    source = f"models:/{model_id}"
    made = client(mlruns).create_model_version(name, source, run_id, tags, model_id=model_id)
    return version(mlruns, name, int(made.version))


def _check(what: str, path: Path, sha256: str) -> None:
    got = sha256_file(path) if path.is_file() else "no file"
    if got != sha256:
        raise IntegrityError(
            f"{what}: got weights {got[:16]}, expected {sha256[:16]}; "
            "do not serve it, register the original file again"
        )


def _known(mlruns: Path, name: str) -> bool:
    return bool(client(mlruns).search_registered_models(having({}, name)))


def _aliases(mlruns: Path, name: str) -> dict[str, int]:
    found = client(mlruns).search_registered_models(having({}, name))
    return {alias: int(number) for model in found for alias, number in model.aliases.items()}


def _model_id(stored: Stored) -> str:
    """MLflow's name of the stored model; of a version from elsewhere one that nothing has."""
    source = str(stored.source)
    return source.removeprefix("models:/") if source.startswith(OURS) else "elsewhere"


def is_own(stored: Stored) -> bool:
    """Whether a version was registered by `register`, by what it says of itself.

    What MLflow's page *Register model* makes, or any other client, has no such tag.
    """
    return SHA256 in stored.tags and str(stored.source).startswith(OURS)


@outside
def versions(mlruns: Path, name: str) -> tuple[ModelVersion, ...]:
    """Give all versions that Lethe registered, oldest first; an empty registry has none.

    Others under the same name are told by `foreign` in a module of its own.
    """
    aliases = _aliases(mlruns, name)
    found = client(mlruns).search_model_versions(having({}, name))
    return tuple(
        _version(mlruns, stored, aliases)
        for stored in sorted(found, key=lambda stored: int(stored.version))
        if is_own(stored)
    )


def _version(mlruns: Path, stored: Stored, aliases: Mapping[str, int]) -> ModelVersion:
    return ModelVersion(
        name=str(stored.name),
        version=int(stored.version),
        sha256=stored.tags[SHA256] if is_own(stored) else UNREGISTERED,
        weights=weights_of(mlruns, _model_id(stored)),
        model_id=_model_id(stored),
        run_id=stored.run_id or None,
        tags=dict(stored.tags),
        aliases=aliases_of(int(stored.version), aliases),
    )


def aliases_of(number: int, aliases: Mapping[str, int]) -> tuple[str, ...]:
    """Give the aliases that are on a version."""
    return tuple(alias for alias, n in aliases.items() if n == number)


@outside
def version(mlruns: Path, name: str, number: int) -> ModelVersion:
    """Give one version."""
    known = {found.version: found for found in versions(mlruns, name)}
    if number not in known:
        raise UsageError(
            f"version {number} of {name}: not in the registry, or not registered by Lethe; "
            f"expected one of {sorted(known)}; see `lethe list versions`"
        )
    return known[number]


@outside
def champion(mlruns: Path, name: str) -> ModelVersion | None:
    """Give the version that is served, None before the first.

    One that somebody else registered has UNREGISTERED for its digest: no log vouches for it.
    """
    aliases = _aliases(mlruns, name)
    if CHAMPION not in aliases:
        return None
    served = str(aliases[CHAMPION])
    return _version(mlruns, client(mlruns).get_model_version(name, served), aliases)


def verified(found: ModelVersion) -> Path:
    """Give the weights of a version after checking that they are the registered bytes."""
    _check(f"version {found.version} of {found.name}", found.weights, found.sha256)
    return found.weights


@outside
def nominate(mlruns: Path, name: str, number: int) -> None:
    """Point the alias candidate to a version, which is to be judged."""
    with locked(mlruns, name):
        version(mlruns, name, number)
        client(mlruns).set_registered_model_alias(name, CANDIDATE, str(number))


def _withdraw(mlruns: Path, name: str, number: int) -> None:
    if _aliases(mlruns, name).get(CANDIDATE) == number:
        client(mlruns).delete_registered_model_alias(name, CANDIDATE)


@outside
def promote(mlruns: Path, name: str, number: int, *, expected_parent: int | None) -> ModelVersion:
    """Let a version serve, if its parent still does (None: if nothing does).

    Does nothing if it serves already. Raises StaleChampion if another version was promoted since,
    and IntegrityError if the stored weights are not those that were registered.
    """
    with locked(mlruns, name):
        verified(version(mlruns, name, number))
        serving = _aliases(mlruns, name).get(CHAMPION)
        if serving not in (expected_parent, number):
            raise StaleChampion(
                f"champion of {name}: got version {serving}, expected {expected_parent}, the "
                f"parent of version {number}; unlearn again from the present champion"
            )
        if serving != number:
            client(mlruns).set_registered_model_alias(name, CHAMPION, str(number))
        _withdraw(mlruns, name, number)
        return version(mlruns, name, number)


@outside
def set_tags(mlruns: Path, name: str, number: int, tags: Mapping[str, str]) -> None:
    """Add tags to a version: its verdict, its evidence."""
    for key, value in tags.items():
        client(mlruns).set_model_version_tag(name, str(number), key, value)


@outside
def describe(mlruns: Path, name: str, notes: Mapping[int, str], note: str) -> None:
    """Put a description on each of these versions that is there, and one on the whole model."""
    with locked(mlruns, name):
        for stored in client(mlruns).search_model_versions(having({}, name)):
            wanted = notes.get(int(stored.version))
            if wanted is not None and stored.description != wanted:
                client(mlruns).update_model_version(name, stored.version, wanted)
        if _known(mlruns, name):
            client(mlruns).update_registered_model(name, note)
