"""Erasing a registered version, weights and all; the run stays, as lineage without weights."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from systems.registry.models import CHAMPION, ModelVersion, locked, versions
from systems.registry.store import erase_stored, staging
from systems.registry.tracking import client, outside
from unlearning.digests import sha256_file
from unlearning.errors import UsageError


class ChampionProtected(UsageError):
    """The served version cannot be erased."""


@dataclass(frozen=True)
class Copy:
    """One place that holds, or held, a copy. where: below mlruns. status: erased or remains."""

    where: str
    what: str
    status: str


@outside
def erase_version(mlruns: Path, name: str, number: int) -> list[Copy]:
    """Erase a version and look for what remains; a version that is gone already has no copies.

    The registry's entry goes last: as long as it stands, an erasure that was cut short can be
    done again. Files of other versions with the same bytes are listed as remaining.
    """
    with locked(mlruns):
        found = next((v for v in versions(mlruns, name) if v.version == number), None)
        if found is None:
            return []
        _refuse_champion(found)
        shutil.rmtree(staging(mlruns), ignore_errors=True)
        erase_stored(mlruns, found.model_id)
        client(mlruns).delete_model_version(name, str(number))
        erased = Copy(_below(mlruns, found.weights), f"weights of version {number}", "erased")
        return [erased, *copies(mlruns, found)]


def _refuse_champion(found: ModelVersion) -> None:
    if CHAMPION in found.aliases:
        raise ChampionProtected(
            f"version {found.version} of {found.name}: got the champion, expected a version that "
            "does not serve; promote another one first"
        )


def copies(mlruns: Path, wanted: ModelVersion) -> list[Copy]:
    """List the files of the artifact store that hold the bytes of a version, by digest."""
    stored = sorted((mlruns / "artifacts").rglob("*.safetensors"))
    return [
        Copy(_below(mlruns, path), "the same weights", "remains")
        for path in stored
        if sha256_file(path) == wanted.sha256
    ]


def _below(mlruns: Path, path: Path) -> str:
    return path.relative_to(mlruns).as_posix()
