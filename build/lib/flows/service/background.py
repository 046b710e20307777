"""The doors that ask, and the notices: each a loop in a thread of the supervisor."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from systems.intake.loops import loops
from systems.intake.receiving import Reception
from systems.settings.service import Service
from systems.settings.workspace import Workspace
from systems.webhooks.endpoints import tellings

END = 1.0
"""Seconds that a loop has to end; what it was at it does again at the next start."""


class Background:
    """The loops of one service. Each is up as long as its thread lives."""

    def __init__(self, ws: Workspace, service: Service, reception: Reception) -> None:
        """Describe them; nothing is begun."""
        self._stop = threading.Event()
        asking = loops(ws, service.intake, reception)
        self._telling = tellings(ws, service.webhooks)
        works = [(f"door-{number}", loop) for number, loop in enumerate(asking)]
        works += [(f"notices-{one.endpoint.source}", one.run) for one in self._telling]
        self._threads = [
            threading.Thread(target=loop, args=(self._stop,), name=name, daemon=True)
            for name, loop in works
        ]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let them run meanwhile."""
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join(END)

    def told(self) -> dict[str, dict[str, Any]]:
        """Say of each loop how it is."""
        waiting = {f"notices-{one.endpoint.source}": one.waiting for one in self._telling}
        return {
            thread.name: {
                "ok": thread.is_alive(),
                "state": "up" if thread.is_alive() else "down",
                **({"waiting": waiting[thread.name]} if thread.name in waiting else {}),
            }
            for thread in self._threads
        }
