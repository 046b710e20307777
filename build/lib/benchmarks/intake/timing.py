"""Many callers at once, each as soon as it has its answer: how many, and how slow the slowest."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from benchmarks.intake.places import load

CONNECTIONS = (1, 16)
CALLS = 3_000
WARM = 200
"""Calls before the first that counts."""


SETTINGS = {"calls": CALLS, "warm": WARM, "asked": {"per_second": 200, "p99_ms": 100}}
"""What a result says of how it was measured, and of what was asked for."""


class Calls(Protocol):
    """Sends requests one after another."""

    def call(self, subject: str) -> float:
        """Send one; seconds until it was on the disk."""

    def close(self) -> None:
        """Send no more."""


def timed(caller: Callable[[], Calls], connections: int, calls: int) -> dict[str, Any]:
    """Let so many callers send at once."""
    seconds: list[float] = []

    def work(number: int) -> None:
        mine = caller()
        seconds.extend(mine.call(f"s-{number}-{i}") for i in range(calls // connections))
        mine.close()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(connections)]
    before, began = load(), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall = time.perf_counter() - began
    p50, p99 = (float(np.percentile(seconds, q) * 1000) for q in (50, 99))
    return {
        "connections": connections,
        "calls": len(seconds),
        "per_second": len(seconds) / wall,
        "p50_ms": p50,
        "p99_ms": p99,
        "load_before": before,
    }
