"""A storm at the HTTP door: senders try again, signed anew, until they have an answer."""

from __future__ import annotations

import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from http.client import HTTPConnection, HTTPException
from typing import Any

from benchmarks.intake.events import Event
from benchmarks.intake.places import PATIENCE, Place, answers, free_port, started, wait_for

SENDERS = 4
POST = "/v1/erasure-requests"
Kill = Callable[[Callable[[], "subprocess.Popen[bytes]"]], AbstractContextManager[Any]]


def storm(place: Place, events: list[Event], kill: Kill) -> dict[str, Any]:
    """Send all events while the door is killed again and again."""
    port, statuses = free_port(), Counter[int]()

    def start() -> subprocess.Popen[bytes]:
        words = (str(place.ws.root), str(port), "--tell")
        process = started("benchmarks.intake.serving", *words, output=subprocess.PIPE)
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/healthz"))
        return process

    def send(part: list[Event]) -> None:
        statuses.update(_sent(place, port, event) for event in part)

    with kill(start) as killer:
        parts = [events[n::SENDERS] for n in range(SENDERS)]
        threads = [threading.Thread(target=send, args=(part,)) for part in parts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    answered = {f"answered_{status}": count for status, count in sorted(statuses.items())}
    return {"kills": killer.kills, **answered}


def _sent(place: Place, port: int, event: Event) -> int:
    """Send until there is an answer that a sender would leave it at; give its status."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        status = _posted(port, event, event.headers(place.secret))
        if status is None:
            time.sleep(0.05)  # it was killed: nobody knows whether it has the request
        elif status == 401 and event.kind == "valid" and event.nonce is not None:
            pass  # somebody's copy came first, or an earlier try did
        else:
            return status
        event = event if event.kind == "replay" else replace(event, nonce=None)
    raise TimeoutError("the door did not come back")


def _posted(port: int, event: Event, headers: dict[str, str]) -> int | None:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", POST, event.body, headers)
        return connection.getresponse().status
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()
