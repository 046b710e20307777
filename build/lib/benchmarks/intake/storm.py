"""Events in random order with duplicates, forgeries, replays and malformed ones, under kills.

The door's process is killed (SIGKILL) after every 25 requests that it took: half of the events are
valid, so about every 50 events. Every valid event must end in exactly one request, no other in any.
"""

from __future__ import annotations

import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import record
from benchmarks.intake import at_http, at_sqs
from benchmarks.intake.events import Event, drawn
from benchmarks.intake.places import Place

EVENTS, EVERY, SEED = 1_000, 25, 20_261
DOORS = {"http": at_http.storm, "sqs": at_sqs.storm}


@dataclass
class Killer:
    """Keeps a process of a door alive, and kills it after so many requests that it took.

    start: gives the process, whose standard output has a line for each request.
    """

    start: Callable[[], subprocess.Popen[bytes]]
    every: int
    kills: int = 0
    ending: bool = False
    thread: threading.Thread = field(init=False)

    def __enter__(self) -> Killer:
        """Start the first process."""
        self._process = self.start()
        self.thread = threading.Thread(target=self._work)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the last one."""
        self.ending = True
        self._process.kill()
        self.thread.join()

    def _work(self) -> None:
        while not self.ending:
            lines = self._process.stdout or ()
            taken = sum(1 for _ in zip(range(self.every), lines, strict=False))
            _end(self._process)
            if not self.ending:
                self.kills += taken == self.every
                self._process = self.start()
        _end(self._process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    if process.stdout:
        process.stdout.close()


def judged(place: Place, events: list[Event]) -> dict[str, int]:
    """Hold what the inbox has against what was sent."""
    inbox = place.inbox()
    got = Counter(inbox.opened(one.ref).selector.values for one in inbox.waiting())
    inbox.close()
    valid = {event.subjects for event in events if event.subjects}
    return {
        "valid": len(valid),
        "requests": got.total(),
        "lost": len(valid - got.keys()),
        "doubled": sum(count - 1 for count in got.values()),
        "of_others": len(got.keys() - valid),
    }


def row(door: str, events: int = EVENTS, every: int = EVERY) -> dict[str, Any]:
    """One storm at one door."""
    rng = np.random.default_rng(SEED)
    with tempfile.TemporaryDirectory() as folder:
        place = Place.made(Path(folder))
        storm, began = drawn(events, rng), time.perf_counter()
        told = DOORS[door](place, storm, lambda start: Killer(start, every))
        seconds = time.perf_counter() - began
        kinds = Counter(event.kind for event in storm)
        return {"door": door, **kinds, **judged(place, storm), **told, "seconds": seconds}


def measure() -> Path:
    """Write benchmarks/results/intake-storm.json."""
    settings = {"events": EVENTS, "killed_after_requests": EVERY, "seed": SEED}
    return record.write("intake-storm", settings, [row(door) for door in DOORS])
