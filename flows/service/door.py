"""The HTTP door, in a thread of the supervisor."""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from systems.settings.service import Service
from systems.settings.workspace import Workspace
from unlearning.errors import InfrastructureError

if TYPE_CHECKING:
    from ledger.inbox import Inbox
    from systems.intake.http import Surroundings

START, END = 30.0, 2.0
"""Seconds for the door to open, and for calls under way to end."""

MOST = 512
"""Calls at once at most; who comes beside them is told to come again (503)."""


@dataclass(frozen=True)
class Door:
    """What the door is given. inbox: where what comes is put; around: as the door has it."""

    ws: Workspace
    service: Service
    inbox: Inbox
    around: Surroundings

    @contextmanager
    def open(self) -> Iterator[None]:
        """Keep it open meanwhile."""
        import uvicorn

        from flows.service.connections import Connection

        config = uvicorn.Config(
            self._app(),
            host=self.service.host,
            port=self.service.ports.http,
            http=Connection,
            ws="none",
            log_config=None,  # its records go where all others go
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=int(END),
            limit_concurrency=_most_connections(),
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, name="http", daemon=True)
        thread.start()
        try:
            _wait_for(server, thread)
            yield
        finally:
            server.should_exit = True
            thread.join(END + 1)

    def _app(self) -> Any:
        from systems.intake.http import make_app

        return make_app(self.ws, lambda: self.inbox, self.service.intake, self.around)


def _most_connections() -> int:
    """Calls at once, so that files are left to those who answer them."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(MOST, max(8, files // 4))


def _wait_for(server: Any, thread: threading.Thread) -> None:
    until = time.monotonic() + START
    while not server.started:
        if not thread.is_alive() or time.monotonic() > until:
            raise InfrastructureError("http: the door did not open; choose another --port")
        time.sleep(0.02)
