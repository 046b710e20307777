"""A part of the service: one process, its address, how it is asked whether it answers."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flows.launching import LAUNCHER, STUDY

STEADY = 600.0
"""Seconds after which a part that ran through them counts as one that never ended."""

MOST_STARTS = 6
"""Starts within that time; then a person has to look."""

ASK = 2.0
"""Seconds that a part has to answer."""


def answers(url: str) -> Callable[[], str | None]:
    """Give the question whether a server answers at an address: None, or what is wrong."""

    def ask() -> str | None:
        try:
            with urllib.request.urlopen(url, timeout=ASK):
                return None
        except (OSError, urllib.error.URLError) as problem:
            return type(problem).__name__

    return ask


@dataclass
class Part:
    """One process of ours and its starts. ask: what is wrong with it, None if it works."""

    name: str
    module: str
    arguments: tuple[str, ...]
    ask: Callable[[], str | None]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    address: str | None = None
    process: subprocess.Popen[bytes] | None = None
    starts: list[float] = field(default_factory=list)
    problem: str | None = "not started"
    given_up: bool = False

    def start(self) -> None:
        """Start it, in a session of its own: Ctrl-C is for whoever started us all.

        To be called by the main thread: the kernel ends the part when the thread ends.
        """
        words = (*self.arguments, str(os.getpid()))
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-c", STUDY, str(LAUNCHER), self.module, *words],
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.starts.append(time.monotonic())

    def look(self) -> None:
        """See whether it runs and answers; one that ended is started again, later each time."""
        if self.process is None or self.given_up:
            return
        code = self.process.poll()
        if code is None:
            self.problem = self.ask()
            return
        self.problem = f"ended with {code}"
        recent = [at for at in self.starts if time.monotonic() - at < STEADY]
        self.given_up = len(recent) >= MOST_STARTS
        if not self.given_up and time.monotonic() - self.starts[-1] >= 2.0 ** (len(recent) - 1):
            self.start()

    def told(self) -> dict[str, Any]:
        """Say how it is."""
        return {
            "ok": self.problem is None,
            "state": "given up" if self.given_up else "up" if self.problem is None else "down",
            "problem": self.problem,
            "pid": self.process.pid if self.process else None,
            "restarts": max(0, len(self.starts) - 1),
            "address": self.address,
        }

    def tell_to_end(self) -> None:
        """Ask it to end."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def ended(self, until: float) -> None:
        """Wait for its end until a moment of the monotonic clock, then end it."""
        if self.process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0.1, until - time.monotonic()))
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
