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


@contextmanager
def workspace_lock(path: Path) -> Iterator[None]:
    """Hold the workspace's lock file, or raise WorkspaceBusy at once.

    The kernel drops the lock when its holder ends, also by kill -9, so none is ever left behind.
    """
    with storing(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _lock(descriptor)
        yield
    finally:
        os.close(descriptor)


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
