"""Progress on standard error: bars with rate and time left, and a line for what takes long.

On a terminal all lines share one live display. Elsewhere, as in a log, a bar is a plain line now
and then, and quick work says nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock, Timer
from typing import Any

from unlearning import counting

SOON = 2.0
"""Seconds after which whoever waits is told what is done."""

SELDOM = 30.0
"""Seconds between two plain lines."""

OFTEN = 10
"""Times a second that a count is drawn."""


class _Screen:
    """The live display, there while it has a line."""

    def __init__(self) -> None:
        self._lock, self._lines = Lock(), 0
        self._display: Any = None

    def add(self, words: str, total: int | None) -> Any:
        """Add a line; give what it is changed by."""
        with self._lock:
            if self._display is None:
                self._display = _display()
                self._display.start()
            self._lines += 1
            return self._display.add_task(words, total=total, rate="", count="")

    def change(self, line: Any, **values: Any) -> Any:
        """Change a line; give its steps a second, None while nobody knows."""
        self._display.update(line, **values)
        return next(task.speed for task in self._display.tasks if task.id == line)

    def remove(self, line: Any) -> None:
        """Take a line away, and the display with the last one."""
        with self._lock:
            self._display.remove_task(line)
            self._lines -= 1
            if not self._lines:
                self._display.stop()
                self._display = None


_screen = _Screen()


def _display() -> Any:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


class _Bar:
    """A bar that begins with the first step and ends with the last."""

    def __init__(self, words: str, unit: str) -> None:
        self._words, self._unit = words, unit
        self._line: Any = None

    def advance(self, done: int, total: int, note: str = "") -> None:
        """Show `done` of `total`."""
        if self._line is None:
            shown = sys.stderr.isatty()
            self._line = _screen.add(self._words, total) if shown else _Plain(done)
        if isinstance(self._line, _Plain):
            self._line.tell(f"{self._words}: {done} of {total} {self._unit}", done, total, note)
        else:
            speed = _screen.change(self._line, completed=done, count=f"{done}/{total}")
            known = f"{speed:.2g} {self._unit}/s" if speed else ""
            _screen.change(self._line, rate=" ".join(filter(None, (known, note))))
        if done >= total:
            self._end()

    def _end(self) -> None:
        if not isinstance(self._line, _Plain):
            _screen.remove(self._line)
        self._line = None


class _Plain:
    """Says seldom how far something is, with its rate and the time left."""

    def __init__(self, done: int) -> None:
        self._began = self._told = time.monotonic()
        self._first = done

    def tell(self, words: str, done: int, total: int, note: str) -> None:
        now = time.monotonic()
        if now - self._told < SELDOM:
            return
        self._told = now
        rate = (done - self._first) / (now - self._began)
        left = f", {rate:.2g}/s, about {(total - done) / rate:.0f} s left" if rate else ""
        print(f"lethe: {words}{left}{note and f', {note}'}", file=sys.stderr, flush=True)


def bar(words: str) -> Callable[[int, int, float], None]:
    """Give a progress function for epochs, which shows the loss."""
    shown = _Bar(words, "epochs")
    return lambda done, total, loss: shown.advance(done, total, f"loss {loss:.3f}")


def counter(words: str, unit: str = "models") -> Callable[[int, int], None]:
    """Give a progress function for things that are counted."""
    return _Bar(words, unit).advance


class _Count:
    """A bar of what is counted quickly: there once it takes long, and drawn a few times a second.

    To be told of an entry of the log must cost less than to read it.
    """

    def __init__(self, words: str, unit: str) -> None:
        self._bar = _Bar(words, unit)
        self._next = time.monotonic() + SOON
        self._drawn = False

    def advance(self, done: float, total: float) -> None:
        """Show `done` of `total`; the last one takes the bar away."""
        now = time.monotonic()
        if (done < total and now < self._next) or (done >= total and not self._drawn):
            return
        self._next, self._drawn = now + 1 / OFTEN, True
        self._bar.advance(int(done), max(int(total), int(done) + (done < total)))


@contextmanager
def counts_shown() -> Iterator[None]:
    """Show on a terminal how far what is counted is, with its rate and the time left."""
    if not sys.stderr.isatty():
        yield
        return
    known: dict[str, _Count] = {}

    def show(words: str, unit: str, done: float, total: float) -> None:
        known.setdefault(words, _Count(words, unit)).advance(done, total)
        if done >= total:
            del known[words]

    with counting.shown_by(show):
        yield


@contextmanager
def at_work(command: str) -> Iterator[Callable[[str], None]]:
    """Show on a terminal what a command does, once it takes long; give what names its step."""
    if not sys.stderr.isatty():
        yield lambda step: None
        return
    waiting = _Waiting(command)
    begin = Timer(SOON, waiting.begin)
    begin.daemon = True
    begin.start()
    try:
        yield waiting.step
    finally:
        begin.cancel()
        waiting.end()


class _Waiting:
    """The line of a command: what it is doing, and since when."""

    def __init__(self, command: str) -> None:
        self._command = self._words = command
        self._line: Any = None
        self._over, self._lock = False, Lock()

    def begin(self) -> None:
        with self._lock:
            if not self._over:
                self._line = _screen.add(self._words, None)

    def step(self, words: str) -> None:
        """Name what is done now."""
        with self._lock:
            self._words = f"{self._command}: {words.replace('-', ' ')}"
            if self._line is not None:
                _screen.change(self._line, description=self._words)

    def end(self) -> None:
        with self._lock:
            self._over = True
            if self._line is not None:
                _screen.remove(self._line)
                self._line = None
