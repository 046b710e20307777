"""The other remotes of DVC's settings: whoever pushed there by hand has copied shards there too.

None of them is ours, so nothing is taken from one but objects that an erasure replaced, by key; in
one of another workspace not even these. Each is one line of the inventory. What went wrong is told
by its kind alone, since an address may hold a password and the line goes into the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger.log import recordable
from systems.copies import Copy, Status
from systems.data.remote.opening import REMOTE, opened, patiently
from systems.data.remote.owner import Outside, outside
from systems.data.stores import ObjectStore, store_of
from systems.settings.ownership import place_of
from systems.settings.workspace import Workspace

WHAT = "shards that an erasure replaced"
_LOOK = "look there, then say so with --confirm"
_ANOTHERS = f"it is another workspace's, from which nothing is taken: {_LOOK}"
_COPIED = f"this workspace was copied, and the original may need it: {_LOOK}"
_BY_NAME = f"it keeps files by name and not by key: {_LOOK}"
_EMPTY = f"its folder is empty or not there, as where a share is not mounted: {_LOOK}"


@dataclass(frozen=True)
class Looked:
    """One of the other remotes after a look. held, left: the objects there before and after it."""

    copy: Copy
    held: int = 0
    left: int = 0


Work = Callable[[ObjectStore], Looked]


def purge_elsewhere(ws: Workspace, keys: frozenset[str]) -> list[Looked]:
    """Remove objects by key from every other remote, and list each again; one line for each.

    `removed` where none of them is listed any more, else `unverified`, with the reason.
    """
    return _of_each(ws, lambda place: _purged(place, keys))


def found_elsewhere(ws: Workspace, keys: frozenset[str]) -> list[Copy]:
    """List the other remotes that hold one of these objects, and those that cannot be asked."""
    found = _of_each(ws, lambda place: _held(place, keys))
    return [one.copy for one in found if one.held or one.copy.status is Status.UNVERIFIED]


def _of_each(ws: Workspace, work: Work) -> list[Looked]:
    def once() -> list[Looked]:
        with opened(ws, "dvc remote") as repo, repo.lock:
            return [_tried(repo, ws, name, work) for name in _others(repo, ws)]

    return patiently(once)


def _others(repo: Any, ws: Workspace) -> Iterator[str]:
    """Name the remotes of all of DVC's settings but ours, and but for others at our very place."""
    remotes = repo.config["remote"]
    own = _place(ws, str(remotes[REMOTE]["url"])) if REMOTE in remotes else None
    for name, settings in sorted(remotes.items()):
        if name != REMOTE and _place(ws, str(settings.get("url"))) != own:
            yield name


def _place(ws: Workspace, url: str) -> str:
    return url.rstrip("/") if "://" in url else str((ws.dvc / url).resolve())


def _tried(repo: Any, ws: Workspace, name: str, work: Work) -> Looked:
    where = f"dvc remote {recordable(name)}"
    try:
        remote = repo.cloud.get_remote(name)
        if why := _objection(ws, remote, str(repo.config["remote"][name]["url"])):
            return Looked(Copy(where, WHAT, Status.UNVERIFIED, why))
        return work(store_of(remote.odb, where, Path(remote.path)))
    except Exception as problem:  # noqa: BLE001  # its words may hold a password
        why = f"it cannot be asked ({type(problem).__name__}): {_LOOK}"
        return Looked(Copy(where, WHAT, Status.UNVERIFIED, why))


def _objection(ws: Workspace, remote: Any, url: str) -> str | None:
    """Say why nothing can be looked for there by key, or nothing may be taken; else None."""
    if remote.worktree or remote.config.get("version_aware"):
        return _BY_NAME
    local = remote.fs.protocol == "local"
    if local and not _filled(Path(remote.path), Path(remote.odb.path)):
        return _EMPTY
    there = Outside(remote, str(remote.path) if local else url)
    if not outside(ws, there.url):
        return None
    place = place_of(ws)
    if place is None or not place.here(ws):
        return _COPIED
    return _ANOTHERS if there.hosted or there.owner() not in (None, place.owner) else None


def _filled(folder: Path, objects: Path) -> bool:
    """Whether a folder has anything in it; OSError where one of its own cannot be listed.

    DVC takes a folder that it cannot list for an empty one.
    """
    for inner in objects.iterdir() if objects.is_dir() else ():
        next(inner.iterdir(), None) if inner.is_dir() else None
    return folder.is_dir() and next(folder.iterdir(), None) is not None


def _purged(place: ObjectStore, keys: frozenset[str]) -> Looked:
    held, why = place.keys() & keys, None
    for key in sorted(held):
        try:
            place.remove(key)
        except Exception as problem:  # noqa: BLE001  # as above; the others go all the same
            why = f" ({type(problem).__name__})"
    left = place.keys() & keys
    still = f"{len(left)} of them are still listed{why or ''}: {_LOOK}"
    unsure = still if left else place.unverified
    status = Status.UNVERIFIED if unsure else Status.REMOVED
    return Looked(Copy(place.where, WHAT, status, unsure), len(held), len(left))


def _held(place: ObjectStore, keys: frozenset[str]) -> Looked:
    held = len(place.keys() & keys)
    return Looked(Copy(place.where, f"{held} objects of the data", Status.PRESENT), held)
