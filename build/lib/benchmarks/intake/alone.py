"""The inbox alone, without a door: what a wait for the disk allows, and what joining them gives."""

from __future__ import annotations

import secrets
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import record
from benchmarks.intake.places import SOURCE, Place
from benchmarks.intake.timing import CALLS, CONNECTIONS, SETTINGS, WARM, timed
from ledger.domain import Selector
from ledger.inbox import Inbox, Incoming

SETTLED = 200


class Writer:
    """One thread that receives, each time with a key and a nonce."""

    def __init__(self, inbox: Inbox) -> None:
        """Share an inbox with the others."""
        self._inbox = inbox

    def call(self, subject: str) -> float:
        """Receive one request; seconds until it was on the disk."""
        now, once = datetime.now(UTC), secrets.token_hex(8)
        incoming = Incoming(Selector("subject", (subject,)), now, "gdpr", SOURCE, once)
        began = time.perf_counter()
        self._inbox.receive(incoming, now=now, nonce=once)
        return time.perf_counter() - began

    def close(self) -> None:
        """Leave the inbox to the others."""


def rows(calls: int = CALLS) -> list[dict[str, Any]]:
    """Measure with each number of threads of one process, then how long settling one takes."""
    with tempfile.TemporaryDirectory() as folder:
        place = Place.made(Path(folder))
        with closing(place.inbox()) as inbox:
            writer = partial(Writer, inbox)
            timed(writer, 1, min(WARM, calls))
            found = [timed(writer, connections, calls) for connections in CONNECTIONS]
            refs = [one.ref for one in inbox.waiting()[:SETTLED]]
            began = time.perf_counter()
            for ref in refs:
                inbox.settled(ref)
            each = (time.perf_counter() - began) / len(refs) * 1000
        return [*found, {"settled": len(refs), "ms_each": each}]


def measure() -> Path:
    """Write benchmarks/results/intake-inbox.json."""
    settings = {**SETTINGS, "client": "threads of one process"}
    return record.write("intake-inbox", settings, rows())
