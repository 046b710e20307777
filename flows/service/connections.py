"""A connection of the HTTP door: one on which no call comes in time is closed.

uvicorn has no limit for that: whoever opens connections and says nothing, or his headers a letter
at a time, would keep all others out for as long as he likes.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

HEADER_SECONDS = 10.0
"""Seconds for a call's headers to come whole, from the connection on or from the last answer."""

SILENT = 2
"""So many times the calls at once are connections; who comes beside them is let go at once."""


class Connection(H11Protocol):
    """uvicorn's, with a limit on waiting for headers, and on how many may wait."""

    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait."""
        super().connection_made(transport)
        if self.limit_concurrency and len(self.connections) > SILENT * self.limit_concurrency:
            transport.abort()
        else:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._wait_no_longer()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Wait for the next call; the same connection may bring many."""
        self._wait()
        super().on_response_complete()

    def _wait(self) -> None:
        self._wait_no_longer()
        self._patience = self.loop.call_later(HEADER_SECONDS, self._require_call)

    def _wait_no_longer(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _require_call(self) -> None:
        calling: RequestResponseCycle | None = self.cycle  # whose type forgets the first moment
        if calling is None or calling.response_complete:
            self.transport.abort()
