"""Progress bars on standard error, with rate and time left; silent where nobody looks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _display() -> Any:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
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
        self._display: Any = None

    def advance(self, done: int, total: int, note: str = "") -> None:
        """Show `done` of `total`."""
        if self._display is None:
            self._display = _display()
            self._task = self._display.add_task(self._words, total=total, rate="")
            self._display.start()
        task = self._display.tasks[0]
        speed = f"{task.speed:.2g} {self._unit}/s" if task.speed else ""
        rate = " ".join(part for part in (speed, note) if part)
        self._display.update(self._task, completed=done, total=total, rate=rate)
        if done >= total:
            self._display.stop()
            self._display = None


def bar(words: str) -> Callable[[int, int, float], None]:
    """Give a progress function for epochs, which shows the loss."""
    shown = _Bar(words, "epochs")
    return lambda done, total, loss: shown.advance(done, total, f"loss {loss:.3f}")


def counter(words: str, unit: str = "models") -> Callable[[int, int], None]:
    """Give a progress function for things that are counted."""
    return _Bar(words, unit).advance
