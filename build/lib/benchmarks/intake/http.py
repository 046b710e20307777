"""Durable requests a second at the HTTP door, and how long the slowest in a hundred takes."""

from __future__ import annotations

import json
import tempfile
import time
from datetime import UTC, datetime
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from benchmarks import record
from benchmarks.intake.places import SOURCE, Place, free_port, served
from benchmarks.intake.timing import CALLS, CONNECTIONS, SETTINGS, WARM, timed
from ledger.sources import signing

POST = "/v1/erasure-requests"


class Caller:
    """One connection that signs and sends."""

    def __init__(self, place: Place, port: int) -> None:
        """Connect with the first call."""
        self._secret, self._connection = place.secret, HTTPConnection("127.0.0.1", port)

    def call(self, subject: str) -> float:
        """Send one request; seconds until its answer was read."""
        body = json.dumps({"subjects": [subject]}).encode()
        signed = signing.headers_for(SOURCE, self._secret, body, now=datetime.now(UTC))
        headers = signed | {"Content-Type": "application/json"}
        began = time.perf_counter()
        self._connection.request("POST", POST, body, headers)
        answer = self._connection.getresponse()
        answer.read()
        seconds = time.perf_counter() - began
        if answer.status != 202:
            raise RuntimeError(f"answered {answer.status}")
        return seconds

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def rows(calls: int = CALLS) -> list[dict[str, Any]]:
    """Measure with each number of connections, against one process of the door."""
    with tempfile.TemporaryDirectory() as folder:
        place, port = Place.made(Path(folder)), free_port()
        process, caller = served(place, port), partial(Caller, place, port)
        try:
            timed(caller, 1, min(WARM, calls))
            return [timed(caller, connections, calls) for connections in CONNECTIONS]
        finally:
            process.kill()
            process.wait()


def measure() -> Path:
    """Write benchmarks/results/intake-http.json."""
    settings = {**SETTINGS, "client": "threads of one process on the same machine"}
    return record.write("intake-http", settings, rows())
