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
from unlearning.counting import numbered
from unlearning.errors import InfrastructureError

_PIECE = 2**20
_IDENTITY = ("st_dev", "st_ino", "st_size", "st_mtime_ns")


@dataclass
class _Seen:
    """What a look at the folder gave. ours: what is meant, by path. names: of each inode, here.

    named_links: links, pipes and the like with such a name. alike: files and the like whose names
    differ from one by case or Unicode form.
    """

    files: int = 0
    ours: dict[Path, os.stat_result] = field(default_factory=dict)
    names: Counter[tuple[int, int]] = field(default_factory=Counter)
    named_links: int = 0
    links_out: int = 0
    alike: int = 0


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

    def mark(self) -> str | None:
        """Give the folder's device and inode while it holds files: an unmounted one has others."""
        with _told():
            return None if next(self._below(), None) is None else _marked(self.root)

    def remove(self, demand: Demand) -> Outcome:
        """Remove the files that are meant and look at everything again.

        What has another name outside stays, since its bytes would; so does a link. An empty folder
        shows nothing, since it may be a share that is not mounted: unless it is the very one that
        was seen to hold files, at a try that was cut off.
        """
        wanted = Wanted.of(demand, self.names, content=self.content)
        with _told():
            first = self._look(wanted)
            going = [path for path, about in first.ours.items() if not _elsewhere(about, first)]
            gone = sum(self._removed(path, first.ours[path], wanted) for path in going)
            self._tidy(wanted)
            left = self._look(wanted) if going else first
            emptied = demand.seen == _marked(self.root)
        status, why = _standing(first, left, emptied=emptied)
        answer = {"held_files_before": True} if emptied and not first.files else {}
        return Outcome(status, why, looked=first.files, removed=gone, answer=answer)

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
        return self._named(path, wanted) or wanted.held(_pieces(path))

    def _named(self, path: Path, wanted: Wanted) -> bool:
        """Whether it bears such a name, or one that this file system takes for the same."""
        name = path.relative_to(self.root).as_posix()
        same = (_is_one(self.root / one, path) for one in wanted.spellings(name))
        return wanted.named(name) or any(same)

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
            if stat.S_ISREG(about.st_mode):
                self._note_file(path, about, wanted, seen)
            elif self._named(path, wanted) or wanted.named(f"{name}/"):
                seen.named_links += 1
            elif wanted.spellings(name) or wanted.spellings(f"{name}/"):
                seen.alike += 1
            if stat.S_ISLNK(about.st_mode):
                seen.links_out += _leads_out(path, self.root)
        except FileNotFoundError:  # its owner was faster
            return

    def _note_file(self, path: Path, about: os.stat_result, wanted: Wanted, seen: _Seen) -> None:
        seen.files += 1
        seen.names[about.st_dev, about.st_ino] += 1
        if self._meant(path, wanted):
            seen.ours[path] = about
        elif wanted.spellings(path.relative_to(self.root).as_posix()):
            seen.alike += 1


def _is_one(one: Path, other: Path) -> bool:
    """Whether two spellings of a path below the folder lead to one file."""
    try:
        return os.path.samestat(one.lstat(), other.lstat())
    except OSError:
        return False


def _leads_out(link: Path, root: Path) -> bool:
    """Whether a link leads out of the folder; one that leads in a circle leads nowhere."""
    try:
        return not link.resolve().is_relative_to(root.resolve())
    except (RuntimeError, OSError):  # Python before 3.13 raises the former
        return False


def _marked(root: Path) -> str:
    about, system = root.stat(), os.statvfs(root)
    return f"{about.st_dev}:{about.st_ino}:{system.f_fsid}"


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


def _standing(first: _Seen, left: _Seen, *, emptied: bool) -> tuple[Status, str | None]:
    """Say how it stands. emptied: it is the place that was seen to hold files before."""
    linked = sum(_elsewhere(about, left) for about in left.ours.values())
    if linked:
        return Status.REMAINS, (
            f"{linked} files have hard links outside of it, where their bytes would stay: remove "
            "all of their names there"
        )
    if left.ours:
        files = numbered(len(left.ours), "file is", "files are")
        return Status.REMAINS, f"{files} there again: see who writes there"
    if left.named_links:
        return Status.REMAINS, (
            f"{left.named_links} links bear such a name, or pipes and the like: remove them, and "
            "what they lead to"
        )
    if left.links_out:
        return Status.UNVERIFIED, (
            f"{left.links_out} links lead out of it and were not followed: look there, or remove "
            "them"
        )
    if left.alike:
        return Status.UNVERIFIED, (
            f"{left.alike} files bear a name that differs only by case or Unicode form: look whose "
            "they are"
        )
    if not first.files and not emptied:
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
