"""Tells one endpoint of everything, in order, at least once; each endpoint has a thread of its own.

A notice that came to its end on the other side, while the word of that got lost, comes again with
the same nonce. Whoever answers 2xx has it.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

from ledger.sources import SourceKeys, signing
from systems.posting import post
from systems.settings.events import Endpoint
from systems.settings.workspace import Workspace
from systems.webhooks import cursors
from systems.webhooks.cursors import Cursor
from systems.webhooks.notices import Notice, Outbox
from unlearning.errors import InfrastructureError, IntegrityError, LetheError

logger = logging.getLogger(__name__)

EVERY = 1.0  # seconds between two looks at the log
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 600.0  # seconds after a failure, doubled each time
TIMEOUT = 10.0  # seconds for an endpoint to answer
LONGEST = 65_536  # bytes of its answer, of which nothing is read but the status

Post = Callable[[str, bytes, dict[str, str]], int]


@dataclass
class Telling:
    """Tells one endpoint. outbox: what there is to tell, which all endpoints share.

    post: sends, and gives the status. waiting: notices not told yet.
    """

    ws: Workspace
    endpoint: Endpoint
    outbox: Outbox
    post: Post
    waiting: int = 0

    def run(self, stop: Event) -> None:
        """Tell until told to stop; what fails is tried again, later each time."""
        known, failures = 0, 0
        queue: list[Notice] = []
        while not stop.is_set():
            try:
                gained, known = self._new(known)
                queue += gained
                self.waiting = len(queue)
                while queue and not stop.is_set():
                    self._tell(queue[0])
                    del queue[0]
                    self.waiting, failures = len(queue), 0
                stop.wait(EVERY)
            except Exception as problem:  # noqa: BLE001  # an endpoint is never given up
                told = problem if isinstance(problem, LetheError) else type(problem).__name__
                logger.warning("webhook of %s: %s", self.endpoint.source, told)
                failures += 1
                stop.wait(_pause(failures))

    def _new(self, known: int) -> tuple[list[Notice], int]:
        """Give what is to be told of entries above `known`, and the last entry that there is."""
        cursor = cursors.load(self._path)
        found, place = self.outbox.after(known)
        if cursor is None:  # named only now: what was before is no news
            cursors.keep(self._path, Cursor(place.seq, place.hash))
            return [], place.seq
        _require_same_log(found, cursor, place.seq)
        return [notice for notice in found if notice.seq > cursor.seq], place.seq

    def _tell(self, notice: Notice) -> None:
        source = self.endpoint.source
        secret = SourceKeys(self.ws.keys).of(source)
        if secret is None:
            raise InfrastructureError(
                f"source {source}: has no secret to sign with: run `lethe source add {source}`"
            )
        body, now = notice.body(), datetime.now(UTC)
        headers = signing.headers_for(source, secret.decode(), body, now=now, nonce=notice.id)
        status = self.post(self.endpoint.url, body, headers)
        if not 200 <= status < 300:
            raise InfrastructureError(f"answered {status} to notice {notice.id[:12]}, expected 2xx")
        cursors.keep(self._path, Cursor(notice.seq, notice.id))

    @property
    def _path(self) -> Path:
        return self.ws.service / "notices" / f"{self.endpoint.source}.json"


def posted(url: str, body: bytes, headers: dict[str, str]) -> int:
    """Post a body and give the status; InfrastructureError if there is no answer in time."""
    return post(url, body, headers, seconds=TIMEOUT, most=LONGEST)[0]


def _pause(failures: int) -> float:
    """Seconds before the next try; some chance keeps many senders from coming at once."""
    longest = min(FIRST_PAUSE * 2.0 ** min(failures - 1, 20), LONGEST_PAUSE)
    return longest * random.uniform(0.5, 1.0)


def _require_same_log(found: list[Notice], cursor: Cursor, length: int) -> None:
    others = [n for n in found if n.seq == cursor.seq and n.id != cursor.hash]
    if others or cursor.seq > length:
        raise IntegrityError(
            f"cursor: entry {cursor.seq} of the log is not the one that was told of: check the log "
            "with `lethe verify --log`"
        )
