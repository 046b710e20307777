"""Erasing a registered version, weights and all; the run stays, as lineage without weights."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from systems.copies import Copy, Status
from systems.registry import places, server
from systems.registry.models import CHAMPION, SHA256, ModelVersion, locked, versions
from systems.registry.store import clear_staging, erase_stored
from systems.registry.tracking import client, experiment, outside
from unlearning.digests import sha256_file
from unlearning.errors import UsageError

REGISTRY = "model registry"
"""What copies call this place."""

SERVER = "tracking server"
"""What copies call the store of a server elsewhere."""


class ChampionProtected(UsageError):
    """The served version cannot be erased."""


@outside
def erase_version(mlruns: Path, name: str, number: int) -> list[Copy]:
    """Erase a version and look for what remains; a version that is gone already has no copies.

    The registry's entry goes last: as long as it stands, an erasure that was cut short can be
    done again. Files with the same bytes that are not this version's are listed as remaining.
    """
    with locked(mlruns, name):
        found = next((v for v in versions(mlruns, name) if v.version == number), None)
        if found is None:
            return []
        _refuse_champion(found)
        clear_staging(mlruns)
        erase_stored(mlruns, found.model_id)
        client(mlruns).delete_model_version(name, str(number))
    erased = Copy(REGISTRY, weights_of(number), Status.REMOVED)
    return [erased, *copies(mlruns, {found.sha256})]


def weights_of(number: int) -> str:
    """What goes of a version."""
    return f"weights of version {number}"


def _refuse_champion(found: ModelVersion) -> None:
    if CHAMPION in found.aliases:
        raise ChampionProtected(
            f"version {found.version} of {found.name}: got the champion, expected a version that "
            "does not serve; promote another one first"
        )


@outside
def copies(mlruns: Path, digests: Collection[str], *, apart: Collection[Path] = ()) -> list[Copy]:
    """List the files of the artifact store that hold one of these weights, by SHA-256.

    apart: files that are not looked at, being told of elsewhere.
    """
    wanted, known = frozenset(digests), {path.resolve() for path in apart}
    stored = sorted(places.artifacts(mlruns).rglob("*.safetensors"))
    here = [
        _below(mlruns, path)
        for path in stored
        if path.resolve() not in known and sha256_file(path) in wanted
    ]
    why = "the same weights lie here too"
    return [Copy(REGISTRY, what, Status.REMAINS, why) for what in (*here, *_away(mlruns, wanted))]


def _away(mlruns: Path, digests: Collection[str]) -> list[str]:
    """What the server still has of the workspace's weights, under no version's name."""
    if server.address(mlruns) is None:
        return []
    api, home = client(mlruns), experiment(mlruns)
    named = {str(v.source).removeprefix("models:/") for v in api.search_model_versions()}
    found = server.copies_of(api, home, SHA256, digests)
    return [f"{model_id} on the tracking server" for model_id in found if model_id not in named]


@outside
def unverifiable(mlruns: Path, found: ModelVersion) -> str | None:
    """Say why nobody will see that a version's bytes are gone from the server; None if one can."""
    if server.address(mlruns) is None:
        return None
    return server.unverifiable(client(mlruns), mlruns, found.model_id)


def _below(mlruns: Path, path: Path) -> str:
    return path.relative_to(mlruns).as_posix()
