"""Files of data/, cache and remote that have another name on the disk, as after `cp -al`.

Removing such a file leaves its bytes under the other name, which nobody can find from here. DVC may
itself be told to link data/, cache and remote; those names are known and count as one file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from systems.copies import Copy, Status
from systems.data.listings import History, history, in_places
from systems.data.stores import ObjectStore
from systems.data.versions import DIRECTORY
from systems.settings.workspace import Workspace

WHY = "its file had another hard link: the bytes stay under a name that cannot be found from here"


def has_other_names(path: Path) -> bool:
    """Whether a file has more names on the disk than this one."""
    return path.is_file() and path.stat().st_nlink > 1


def linked(ws: Workspace, shards: Collection[str]) -> list[Copy]:
    """List the files that are, or were in any version, one of these shards, and have other names.

    An object that no version lists counts too.
    """
    return in_places(ws, lambda places: _linked(ws, places, frozenset(shards)))


def _linked(ws: Workspace, places: Sequence[ObjectStore], shards: frozenset[str]) -> list[Copy]:
    known, files = history(places), _files(ws, places)
    names = Counter(_inode(path) for path in files.values())
    return [
        Copy(where, f"{kind} {name}", Status.UNVERIFIED, WHY)
        for (where, kind, name), path in files.items()
        if path.stat().st_nlink > names[_inode(path)] and _concerned(known, kind, name, shards)
    ]


def _files(ws: Workspace, places: Sequence[ObjectStore]) -> Mapping[tuple[str, str, str], Path]:
    """Give every file of data/shards, cache and remote by place, kind and name."""
    found = {("workspace", "shard", path.stem): path for path in ws.shards.glob("*.parquet")}
    for place in places:
        for key in sorted(place.keys()):
            if (path := place.file(key)) and path.is_file():
                found[place.where, "object", key] = path
    return dict(sorted(found.items()))


def _inode(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _concerned(known: History, kind: str, name: str, shards: frozenset[str]) -> bool:
    if kind == "shard":
        return name in shards
    were = known.shards.get(name, frozenset())
    return not name.endswith(DIRECTORY) and (not were or not were.isdisjoint(shards))
