"""One writer per workspace."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ledger.durable import storing
from ledger.errors import WorkspaceBusy

BUSY = "another lethe is at work in this workspace: wait until it has ended, then try again"

_held: dict[Path, int] = {}
"""The descriptors of the lock files that this process holds."""


def lost(what: str) -> WorkspaceBusy:
    """Say that a lock was lost in mid-work; nothing more may be done under it."""
    return WorkspaceBusy(
        f"{what}: was lost while this command worked, expected it held to the end: another lethe "
        "may be at work by now; run the same command again, which goes on from the last finished "
        "step"
    )


@contextmanager
def workspace_lock(path: Path) -> Iterator[None]:
    """Hold the workspace's lock file, or raise WorkspaceBusy at once.

    The kernel drops the lock when its holder ends, also by kill -9, so none is ever left behind.
    """
    with storing(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _lock(descriptor)
        _held[path] = descriptor
        yield
    finally:
        if _held.get(path) == descriptor:
            del _held[path]
        os.close(descriptor)


def require_held(path: Path) -> None:
    """Raise WorkspaceBusy if this process took the lock file and another one is in its place.

    Whoever locks that one is not kept out by ours.
    """
    descriptor = _held.get(path)
    if descriptor is None:
        return
    ours = os.fstat(descriptor)
    try:
        there = path.stat()
    except OSError as error:
        raise lost(f"lock file {path.name}") from error
    if (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino):
        raise lost(f"lock file {path.name}")


def is_held(path: Path) -> bool:
    """Whether another process holds the lock file; nothing is written, and nobody is kept out."""
    if not path.exists():
        return False
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _lock(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise WorkspaceBusy(BUSY) from error
