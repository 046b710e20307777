"""Whose the remote is: one outside of the workspace bears a mark that names its only owner.

Two workspaces with one remote would purge each other's shards, since an object's key follows from
its bytes. So the mark is set before anything is pushed, and looked at before anything is pushed or
removed. A remote inside needs none: it follows the workspace. DVC sees only what lies in files/.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ledger.errors import OutsideWorkspace
from systems.data.remote.opening import REMOTE, opened
from systems.settings.ownership import MARK as PLACE
from systems.settings.ownership import Place, mark_anew, mark_place, note, place_of
from systems.settings.workspace import Workspace
from unlearning.digests import sha256_hex
from unlearning.errors import UsageError

MARK = "lethe-owner"
"""Object at the root of a remote; it holds the name of a workspace and nothing else."""

_CHANGE = "change remote.url and DVC's remote"
_ANOTHERS = (
    f"dvc remote: its {MARK} names another workspace, expected this one: {_CHANGE}, or, if no "
    f"other workspace uses that remote any more, remove {MARK} there and records/{PLACE} here"
)
_GONE = (
    f"dvc remote: has no {MARK} any more, expected the one of this workspace, since the remote may "
    f"have been given to another: {_CHANGE}, or, if no other workspace uses it, remove "
    f"records/{PLACE}"
)
_COPY = (
    "was copied or restored, and its remote lies outside of it, where the original's objects may "
    f"be; expected a remote of its own: {_CHANGE}, or, if no other workspace uses that remote, "
    f"remove {MARK} there and records/{PLACE} here"
)
_HOSTED = f"dvc remote: lies in another workspace, expected a place of its own: {_CHANGE}"
_HELD = (
    "dvc remote: holds shards of these very data, which another workspace may need, expected none: "
    "choose another remote.url, or, if no workspace uses that remote, empty it"
)


@dataclass(frozen=True)
class Outside:
    """A remote outside of the workspace. remote: DVC's. url: as DVC's settings have it."""

    remote: Any
    url: str

    @property
    def address(self) -> str:
        """SHA-256 of the address, which may hold a password."""
        return sha256_hex(self.url.encode())

    def owner(self) -> str | None:
        """Read the mark; None where there is none, or an empty one that was cut off."""
        try:
            content = bytes(self.remote.fs.cat_file(self._mark))
        except FileNotFoundError:
            return None
        return content.decode(errors="replace").strip() or None

    def bear(self, owner: str) -> str | None:
        """Set the mark, and read it again: somebody else may set his at the same time."""
        self.remote.fs.makedirs(self.remote.path)
        self.remote.fs.pipe_file(self._mark, f"{owner}\n".encode())
        return self.owner()

    def clear(self) -> None:
        """Remove the mark."""
        self.remote.fs.rm_file(self._mark)

    def holds(self, keys: Collection[str]) -> bool:
        """Whether one of these objects lies there."""
        return bool(set(self.remote.odb.oids_exist(sorted(keys))))

    @property
    def hosted(self) -> bool:
        """Whether it is a folder in another workspace, which marks none that lies inside of it.

        Also where a link leads there.
        """
        if "://" in self.url:
            return False
        folder = Path(self.url)
        above = (*folder.parents, *folder.resolve().parents)
        return any(Workspace(one).has_log for one in above)

    @property
    def _mark(self) -> str:
        return str(self.remote.fs.join(self.remote.path, MARK))


def claim(ws: Workspace, keys: Callable[[], Collection[str]]) -> None:
    """Mark the remote of a workspace that is being made, before anything is pushed.

    keys: gives those of the objects that are to go there. UsageError if the remote is another's, or
    has no mark and holds some of these: then it may be that of an older workspace.
    """
    with _outside(ws) as remote:
        if remote is None:
            return
        if remote.owner() is None and remote.holds(keys()):
            raise UsageError(_HELD)
        if problem := _objection(ws, remote, mark_place(ws)):
            raise UsageError(problem)


def require_own(ws: Workspace) -> None:
    """Raise OutsideWorkspace unless the remote is this workspace's; the caller holds its lock.

    One that bears no mark is marked, once: a mark that has gone is not set again.
    """
    with _outside(ws) as remote:
        if remote and (problem := _objection(ws, remote, _here(ws, remote))):
            raise OutsideWorkspace(problem)


def owns(ws: Workspace) -> bool:
    """Whether the remote lies inside, or bears the mark of this workspace; nothing is claimed."""
    with _outside(ws) as remote:
        place = place_of(ws)
        return remote is None or (place is not None and remote.owner() == place.owner)


def release(ws: Workspace) -> None:
    """Take the mark of a workspace off its remote: its `init` is undone."""
    with _outside(ws) as remote:
        place = place_of(ws)
        if remote and place and remote.owner() == place.owner:
            note(ws, replace(place, claimed=None))
            remote.clear()


def outside(ws: Workspace, url: str) -> bool:
    """Whether a remote, by its address in DVC's settings, does not lie in the workspace."""
    return "://" in url or not Path(url).resolve().is_relative_to(ws.root)


@contextmanager
def _outside(ws: Workspace) -> Iterator[Outside | None]:
    with opened(ws, "dvc remote") as repo:
        url = str(repo.config["remote"][REMOTE]["url"])
        yield Outside(repo.cloud.get_remote(REMOTE), url) if outside(ws, url) else None


def _here(ws: Workspace, remote: Outside) -> Place:
    """Give the place; a copy that was given another remote is a workspace of its own."""
    place = mark_place(ws)
    if place.here(ws):
        return place
    if place.claimed in (None, remote.address):
        raise OutsideWorkspace(f"{ws.root.name}: {_COPY}")
    return mark_anew(ws)


def _objection(ws: Workspace, remote: Outside, place: Place) -> str | None:
    """Say why the remote is not this workspace's; None if it bears its mark, or now does."""
    if remote.hosted:
        return _HOSTED
    found = remote.owner()
    if found is None and place.claimed == remote.address:
        return _GONE
    if (found or remote.bear(place.owner)) != place.owner:
        return _ANOTHERS
    if place.claimed != remote.address:
        note(ws, replace(place, claimed=remote.address))
    return None
