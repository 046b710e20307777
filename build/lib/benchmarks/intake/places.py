"""A workspace that has no more than receiving needs, and processes that work in it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from ledger import keys, sources
from ledger.inbox import Inbox
from ledger.requests import Ledger
from systems.settings.workspace import Workspace

ROOT = Path(__file__).parents[2]
SOURCE = "crm"
PATIENCE = 60.0
"""Seconds for a process to start on a busy machine."""


@dataclass(frozen=True)
class Place:
    """A workspace, and the secret of its one source."""

    ws: Workspace
    secret: str

    @classmethod
    def made(cls, root: Path) -> Place:
        """Make keys, records and a source."""
        ws = Workspace.at(root)
        keys.create_keys(ws.keys, ws.records)
        ledger = Ledger.open(ws.records, ws.keys)
        return cls(ws, sources.add(ledger, ws.keys, SOURCE, now=datetime.now(UTC)))

    def inbox(self) -> Inbox:
        """Open its inbox."""
        return Inbox.open(self.ws.root / "inbox", self.ws.keys)


def started(module: str, *words: str, output: int | None = None) -> subprocess.Popen[bytes]:
    """Start a module of ours as a process."""
    line = [sys.executable, "-m", module, *words]
    return subprocess.Popen(line, cwd=ROOT, stdout=output, stderr=subprocess.DEVNULL)


def served(place: Place, port: int, *, output: int | None = None) -> subprocess.Popen[bytes]:
    """Start the HTTP door, and wait until it answers."""
    words = (str(place.ws.root), str(port))
    process = started("benchmarks.intake.serving", *words, output=output)
    wait_for(lambda: answers(f"http://127.0.0.1:{port}/healthz"))
    return process


def answers(address: str) -> bool:
    """Whether somebody answers there."""
    try:
        with urlopen(address, timeout=2):
            return True
    except (URLError, OSError):
        return False


def wait_for(true: Callable[[], bool]) -> None:
    """Wait until something is true."""
    end = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > end:
            raise TimeoutError("a process of this benchmark did not start")
        time.sleep(0.02)


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def load() -> float:
    """Processes that wanted a core in the last minute: what else this machine was doing."""
    return round(os.getloadavg()[0], 2)
