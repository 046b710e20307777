"""Which process has a flow run: written into Prefect's record, so that whoever is next can tell."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PREFIX = "lethe"
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Mark:
    """A process: where it runs, its id, and when it started, in clock ticks since `boot`."""

    host: str
    boot: str
    pid: int
    started: int

    def __str__(self) -> str:
        return ":".join([PREFIX, self.host, self.boot, str(self.pid), str(self.started)])

    @staticmethod
    def read(text: str | None) -> Mark | None:
        """Read what `str` wrote; None for anything else, such as the mark of another worker."""
        parts = (text or "").split(":")
        if len(parts) != 5 or parts[0] != PREFIX:
            return None
        return Mark(parts[1], parts[2], int(parts[3]), int(parts[4]))

    @property
    def gone(self) -> bool:
        """Whether that process has ended; one on another machine is taken to live."""
        if self.host != socket.gethostname():
            return False
        return self.boot != _boot() or _started(self.pid) != self.started


def mark_of(pid: int) -> Mark:
    """Give the mark of a process on this machine; of one that has ended it says so."""
    return Mark(socket.gethostname(), _boot(), pid, _started(pid) or -1)


@cache
def _boot() -> str:
    return _BOOT.read_text().strip()[:8] if _BOOT.is_file() else "unknown"


def _started(pid: int) -> int | None:
    """When a process started; None if there is none, or only one whose parent has not looked."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None if Path("/proc").is_dir() else _alive(pid)
    return None if fields[0] in "ZX" else int(fields[19])


def _alive(pid: int) -> int | None:
    try:
        os.kill(pid, 0)
    except OSError:
        return None
    return 0
