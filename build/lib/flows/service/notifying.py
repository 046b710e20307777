"""Tells Prefect that requests came in, so that the deployment `intake` runs.

Many that come at once are one event. What cannot be told is told again until it can; if the service
ends before, its next start looks by itself.
"""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from uuid import uuid4

from flows.events import RECEIVED, resource_of
from systems.settings.workspace import Workspace
from tasks.running.records import utc_now

GATHER = 0.05
"""Seconds in which what comes becomes one event."""

AGAIN = 1.0
"""Seconds before the next try."""


class Notifier:
    """A thread that posts events to Prefect's API at `api`."""

    def __init__(self, ws: Workspace, api: str) -> None:
        """Begin; nothing is sent before something came."""
        self._resource, self._api = resource_of(ws.root), api
        self._lock, self._came = threading.Lock(), threading.Event()
        self._waiting: list[str] = []
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name="events", daemon=True)
        self._thread.start()

    def __call__(self, ref: str) -> None:
        """Note that a request came; returns at once."""
        with self._lock:
            self._waiting.append(ref)
        self._came.set()

    def end(self) -> None:
        """Stop; what waits is found at the next start."""
        self._ending.set()
        self._came.set()
        self._thread.join(AGAIN)

    def _work(self) -> None:
        while self._came.wait() and not self._ending.wait(GATHER):
            with self._lock:
                refs, self._waiting = self._waiting, []
                self._came.clear()
            while refs and not self._sent(refs):
                if self._ending.wait(AGAIN):
                    return

    def _sent(self, refs: list[str]) -> bool:
        event = {
            "id": str(uuid4()),
            "occurred": utc_now().isoformat(),
            "event": RECEIVED,
            "resource": {"prefect.resource.id": self._resource},
            "payload": {"requests": len(refs)},
        }
        request = urllib.request.Request(
            f"{self._api}/events",
            json.dumps([event]).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=5):
                return True
        except (OSError, urllib.error.URLError):
            return False
