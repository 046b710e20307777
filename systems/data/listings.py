"""What each data version consists of, as its listing in DVC's cache or remote says.

DVC keeps, under the version's digest, the name and the key (md5) of every file in data/. Together
the listings that lie in a place are its history: from them one knows which older object was which
shard, without reading any. A listing whose bytes are not those of its key says nothing, and what no
listing names has to be looked into.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import TypeVar

from ledger import durable
from systems.data import versions
from systems.data.stores import ObjectStore
from systems.settings.workspace import Workspace

T = TypeVar("T")
Listing = Mapping[str, str]
"""Keys of files, by their paths in data/."""


@dataclass(frozen=True)
class History:
    """The versions that lie in some places: by the key of each, what it lists."""

    versions: Mapping[str, Listing]

    @cached_property
    def shards(self) -> Mapping[str, frozenset[str]]:
        """By object, the names of the shards, or other files, that it is in any version."""
        found: dict[str, set[str]] = {}
        for listing in self.versions.values():
            for path, key in listing.items():
                found.setdefault(key, set()).add(PurePosixPath(path).stem)
        return {key: frozenset(names) for key, names in found.items()}

    def listing_any(self, keys: frozenset[str]) -> frozenset[str]:
        """Give the keys of the versions that list one of these objects."""
        return frozenset(
            version for version, listing in self.versions.items() if keys & set(listing.values())
        )


def in_places(ws: Workspace, work: Callable[[Sequence[ObjectStore]], T]) -> T:
    """Work on DVC's cache and remote while no other DVC command runs."""

    def once() -> T:
        with versions.stores(ws) as places:
            return work(places)

    return versions.patiently(once)


def history(places: Sequence[ObjectStore]) -> History:
    """Read all listings that lie in these places, each once."""
    found: dict[str, Listing] = {}
    for place in places:
        for key in sorted(place.keys()):
            if key.endswith(versions.DIRECTORY) and not found.get(key):
                found[key] = _read(place, key)
    return History(found)


def listing_of(ws: Workspace, version: str) -> Listing:
    """Give a version's listing, from the cache or else from the remote; empty if neither has it."""
    key = version + versions.DIRECTORY
    return in_places(ws, lambda places: next(filter(None, (_read(p, key) for p in places)), {}))


def _read(place: ObjectStore, key: str) -> Listing:
    try:
        content = place.read(key)
        if md5(content) + versions.DIRECTORY != key:
            return {}
        return {entry["relpath"]: entry["md5"] for entry in json.loads(content)}
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return {}


def md5(content: bytes) -> str:
    """DVC's key of a file; for addressing only, integrity is SHA-256's matter."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def keys_of_files(ws: Workspace) -> Listing:
    """The keys of the files of data/ as they lie there, whatever a data version lists."""
    files = (path for path in ws.data.rglob("*") if path.is_file())
    return {path.relative_to(ws.data).as_posix(): md5(durable.read(path)) for path in files}


def version_of_files(ws: Workspace) -> str:
    """Work out the data version of data/ as it lies there, without DVC."""
    return version_of(keys_of_files(ws))


def version_of(files: Listing) -> str:
    """Work out the data version that consists of these files."""
    entries = [{"md5": key, "relpath": name} for name, key in sorted(files.items())]
    return md5(json.dumps(entries, sort_keys=True).encode())
