"""A folder outside, such as a mounted share: what is meant goes, links are never followed."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ledger import durable
from ledger.errors import OutsideWorkspace
from systems.connectors.contract import Demand, Outcome, Wanted
from systems.copies import Status
from unlearning.errors import InfrastructureError

_PIECE = 2**20
_IDENTITY = ("st_dev", "st_ino", "st_size", "st_mtime_ns")


@dataclass
class _Seen:
    """What a look at the folder gave. ours: what is meant, by path. names: of each inode, here."""

    files: int = 0
    ours: dict[Path, os.stat_result] = field(default_factory=dict)
    names: Counter[tuple[int, int]] = field(default_factory=Counter)
    named_links: int = 0
    links_out: int = 0


@dataclass(frozen=True)
class Folder:
    """A folder by its absolute path. names, content: as the settings have them."""

    root: Path
    names: tuple[str, ...] = ()
    content: bool = True

    def reach(self) -> None:
        """InfrastructureError unless it is a folder that can be listed."""
        with _told():
            next(self.root.iterdir(), None)

    def remove(self, demand: Demand) -> Outcome:
        """Remove the files that are meant and look at everything again.

        What has another name outside stays, since its bytes would; so does a link. An empty folder
        shows nothing: it may be a share that is not mounted.
        """
        wanted = Wanted.of(demand, self.names, content=self.content)
        with _told():
            first = self._look(wanted)
            going = [path for path, about in first.ours.items() if not _elsewhere(about, first)]
            gone = sum(self._removed(path, first.ours[path], wanted) for path in going)
            self._tidy(wanted)
            left = self._look(wanted) if going else first
        return _outcome(first, left, gone)

    def _removed(self, path: Path, about: os.stat_result, wanted: Wanted) -> bool:
        """Remove a file if it is still the one that was looked at, not another under its name."""
        try:
            still = _same(path, about) and self._meant(path, wanted) and _same(path, about)
        except FileNotFoundError:  # its owner was faster
            return False
        if still:
            durable.remove_file(path, within=self.root)
        return still

    def _meant(self, path: Path, wanted: Wanted) -> bool:
        name = path.relative_to(self.root).as_posix()
        return wanted.named(name) or wanted.held(_pieces(path))

    def _tidy(self, wanted: Wanted) -> None:
        """Remove folders that are empty and bear somebody's id."""
        for folder, _, _ in os.walk(self.root, topdown=False, onerror=_raise):
            name = Path(folder).relative_to(self.root).as_posix()
            if wanted.is_trace(name):
                durable.remove_empty_folder(Path(folder))

    def _look(self, wanted: Wanted) -> _Seen:
        seen = _Seen()
        for path in self._below():
            self._note(path, wanted, seen)
        return seen

    def _below(self) -> Iterator[Path]:
        """Give every file, and every link; an unreadable folder is an error, not an empty one."""
        for folder, folders, files in os.walk(self.root, onerror=_raise):
            yield from (Path(folder, name) for name in sorted(files))
            yield from (path for name in folders if (path := Path(folder, name)).is_symlink())

    def _note(self, path: Path, wanted: Wanted, seen: _Seen) -> None:
        name = path.relative_to(self.root).as_posix()
        try:
            about = path.lstat()
            if stat.S_ISLNK(about.st_mode):
                seen.named_links += wanted.named(name) or wanted.named(f"{name}/")
                seen.links_out += not path.resolve().is_relative_to(self.root.resolve())
            elif stat.S_ISREG(about.st_mode):
                seen.files += 1
                seen.names[about.st_dev, about.st_ino] += 1
                if self._meant(path, wanted):
                    seen.ours[path] = about
        except FileNotFoundError:  # its owner was faster
            return


def _same(path: Path, about: os.stat_result) -> bool:
    now = path.lstat()
    return all(getattr(now, one) == getattr(about, one) for one in _IDENTITY)


def _elsewhere(about: os.stat_result, seen: _Seen) -> bool:
    return about.st_nlink > seen.names[about.st_dev, about.st_ino]


def _pieces(path: Path) -> Iterator[bytes]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        while piece := file.read(_PIECE):
            yield piece


def _outcome(first: _Seen, left: _Seen, removed: int) -> Outcome:
    status, why = _standing(first, left)
    return Outcome(status, why, looked=first.files, removed=removed)


def _standing(first: _Seen, left: _Seen) -> tuple[Status, str | None]:
    linked = sum(_elsewhere(about, left) for about in left.ours.values())
    if linked:
        return Status.REMAINS, (
            f"{linked} files have hard links outside of it, where their bytes would stay: remove "
            "all of their names there"
        )
    if left.ours:
        return Status.REMAINS, f"{len(left.ours)} files are there again: see who writes them"
    if left.named_links:
        return Status.REMAINS, (
            f"{left.named_links} links bear such a name: remove them, and what they lead to"
        )
    if left.links_out:
        return Status.UNVERIFIED, (
            f"{left.links_out} links lead out of it and were not followed: look there, or remove "
            "them"
        )
    if not first.files:
        return Status.UNVERIFIED, "it is empty, as where a share is not mounted: look there"
    return Status.REMOVED, None


def _raise(error: OSError) -> None:
    raise error


@contextmanager
def _told() -> Iterator[None]:
    """Say what went wrong without a file's name, which may be an id."""
    try:
        yield
    except OutsideWorkspace:
        raise InfrastructureError("a folder in it became a link meanwhile: nothing went") from None
    except (OSError, InfrastructureError) as error:
        cause = error.__cause__ if isinstance(error, InfrastructureError) else error
        words = getattr(cause, "strerror", None) or type(error).__name__
        raise InfrastructureError(
            f"the folder cannot be read or changed ({words}), expected one that is mounted and "
            "that we may change"
        ) from None
