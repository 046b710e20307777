"""The pages that `lethe serve` shows: made by a process of their own, anew when the log has grown.

What makes them imports what would double the supervisor's memory, so `lethe pages` does.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from threading import Lock

from flows.launching import LAUNCHER, STUDY
from ledger import durable
from systems.settings.recording import lines_of
from systems.settings.workspace import Workspace
from unlearning.errors import InfrastructureError

FOLDER = "pages"
FRESH = 60.0
"""Seconds for which pages are shown as they are, though the log may have grown."""

PATIENCE = 300
"""Seconds that making them may take."""


class Pages:
    """The pages of a workspace, below its service folder."""

    def __init__(self, ws: Workspace) -> None:
        self._ws, self._folder = ws, ws.service / FOLDER
        self._made, self._size = -FRESH, -1
        self._lock = Lock()

    def page(self, place: str) -> bytes | None:
        """Give a page; None where none has exactly this place. InfrastructureError if none can."""
        with self._lock:
            self._make()
        there = {str(p.relative_to(self._folder)): p for p in self._folder.rglob("*.*")}
        found = there.get(place)
        return durable.read(found) if found is not None and found.is_file() else None

    def _make(self) -> None:
        """Make them anew if the log has grown, or the days that are left may be others."""
        size, old = lines_of(self._ws).size(), time.monotonic() - self._made
        if old < FRESH or (size == self._size and old < 10 * FRESH):
            return
        if not _written(self._ws, self._folder):
            raise InfrastructureError("pages: could not be made, see `lethe pages`; try again")
        self._made, self._size = time.monotonic(), size


def _written(ws: Workspace, folder: Path) -> bool:
    words = ["--workspace", str(ws.root), "--json", "pages", "--out", str(folder)]
    done = subprocess.run(
        [sys.executable, "-P", "-c", STUDY, str(LAUNCHER), "flows.cli", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=PATIENCE,
    )
    return done.returncode == 0
