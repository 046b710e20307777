"""Erasing a registered version, weights and all; the run stays, as lineage without weights."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from systems.copies import Copy, Status
from systems.registry import places, server
from systems.registry.models import CHAMPION, SHA256, locked
from systems.registry.store import clear_staging, erase_stored
from systems.registry.tracking import client, experiment, having, outside
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

    Whoever registered it: a version that names the same stored weights goes with it, since it has
    none any more. The registry's entries go last: as long as one stands, an erasure that was cut
    short can be done again. Files with the same bytes that are not this version's are listed as
    remaining.
    """
    with locked(mlruns, name):
        stored = client(mlruns).search_model_versions(having({}, name))
        source = next((str(v.source) for v in stored if int(v.version) == number), None)
        if source is None:
            return []
        together = [v for v in stored if v.source == source]
        _refuse_champion(mlruns, name, [int(v.version) for v in together])
        clear_staging(mlruns)
        digests = {v.tags[SHA256] for v in together if SHA256 in v.tags}
        if source.startswith("models:/"):
            erase_stored(mlruns, source.removeprefix("models:/"))
        for version in together:
            client(mlruns).delete_model_version(name, version.version)
    erased = Copy(REGISTRY, weights_of(number), Status.REMOVED)
    return [erased, *copies(mlruns, digests)]


def weights_of(number: int) -> str:
    """What goes of a version."""
    return f"weights of version {number}"


def _refuse_champion(mlruns: Path, name: str, numbers: Collection[int]) -> None:
    models = client(mlruns).search_registered_models(having({}, name))
    served = {int(model.aliases[CHAMPION]) for model in models if CHAMPION in model.aliases}
    for number in served & {*numbers}:
        raise ChampionProtected(
            f"version {number} of {name}: got the champion, expected a version that "
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
def unverifiable(mlruns: Path, model_id: str) -> str | None:
    """Say why nobody will see that stored weights are gone from the server; None if one can."""
    if server.address(mlruns) is None:
        return None
    return server.unverifiable(client(mlruns), mlruns, model_id)


def _below(mlruns: Path, path: Path) -> str:
    return path.relative_to(mlruns).as_posix()
