"""Writing so that a crash leaves the old bytes or the new ones, and removing what is ours alone.

This is the one door through which anything is removed. A path may come from a database, a link or a
setting that another workspace wrote, as in a copy of a folder: so every removal names the folder
that it may not leave, and links are followed first.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ledger.errors import OutsideWorkspace
from unlearning.errors import InfrastructureError

UNFINISHED = ".part"

PRIVATE, OPEN = 0o600, 0o644
"""Permissions of files: the owner's alone, unless others are meant to read them, as settings."""


def short_name(path: Path) -> str:
    """A file's name with its folder's, for messages."""
    return f"{path.parent.name}/{path.name}"


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn the operating system's refusal to write `path` into InfrastructureError."""
    try:
        yield
    except OSError as error:
        raise InfrastructureError(
            f"{short_name(path)}: cannot be written ({error.strerror or error}): "
            "free space or make the workspace writable, then try again"
        ) from error


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn the operating system's refusal to read `path` into InfrastructureError."""
    try:
        yield
    except OSError as error:
        raise InfrastructureError(
            f"{short_name(path)}: cannot be read ({error.strerror or error}): "
            "restore the file or its permissions, then try again"
        ) from error


def read(path: Path) -> bytes:
    """Read a whole file."""
    with reading(path):
        return path.read_bytes()


def make_folder(path: Path) -> None:
    """Create a folder and its parents, if it is not there; it is the owner's alone."""
    with storing(path):
        if not path.is_dir():
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o700)


def write(path: Path, content: bytes, *, mode: int = PRIVATE) -> None:
    """Replace a file by these bytes at once, and return when they are on the disk."""
    with storing(path):
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=UNFINISHED)
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(file.fileno(), mode)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync(path.parent)


@contextmanager
def only_writer(path: Path) -> Iterator[int | None]:
    """Hold a file for one write and give its length; None if another process holds it.

    It is made if it is not there. The kernel lets go of it when its holder ends.
    """
    with storing(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE)
    try:
        yield os.fstat(descriptor).st_size if _only(descriptor) else None
    finally:
        os.close(descriptor)


def _only(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def append(path: Path, content: bytes, *, at: int) -> None:
    """Write bytes at position `at`, dropping what follows it, and wait for the disk.

    A write that fails half way is taken back, so that the file ends at `at` again.
    """
    with storing(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, PRIVATE)
        try:
            os.ftruncate(descriptor, at)
            _write_all(descriptor, content, at)
            os.fsync(descriptor)
        except OSError:
            with suppress(OSError):
                os.ftruncate(descriptor, at)
            raise
        finally:
            os.close(descriptor)
        if at == 0:
            sync(path.parent)


def inside(path: Path, within: Path) -> Path:
    """Give the real place of a path; OutsideWorkspace unless it is truly below `within`."""
    real, home = path.resolve(), within.resolve()
    if home not in real.parents:
        raise OutsideWorkspace(
            f"{short_name(path)}: leads to a place outside of {within.name}/, expected one "
            "below it; nothing was removed: put the folder itself where the link or the setting "
            "leads from, then try again"
        )
    return real


def remove_file(path: Path, *, within: Path) -> bool:
    """Delete a file below `within`; say whether it was there. Of a link, only the link goes."""
    inside(path.parent / "file", within)
    with storing(path):
        there = path.exists() or path.is_symlink()
        path.unlink(missing_ok=True)
        if there:
            sync(path.parent)
        return there


def remove_folder(path: Path, *, within: Path) -> bool:
    """Delete a folder below `within` with all that is in it; say whether it was there.

    Links in it go as links. InfrastructureError if some of it stays.
    """
    real = inside(path, within)
    with storing(path):
        there = real.exists()
        if there:
            shutil.rmtree(real)
            sync(real.parent)
        return there


def remove_empty_folder(path: Path) -> None:
    """Delete a folder, wherever it lies, if nothing is in it."""
    with storing(path):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def clear_unfinished(folder: Path) -> None:
    """Remove what a write left in a folder when it was killed; nobody else may be writing."""
    for path in folder.glob(f".*{UNFINISHED}"):
        remove_file(path, within=folder)


def sync(path: Path) -> None:
    """Wait until a file's bytes, or a folder's list of names, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, content: bytes, at: int) -> None:
    while content:
        written = os.pwrite(descriptor, content, at)
        content, at = content[written:], at + written
