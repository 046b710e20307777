"""A bar on the terminal while pictures are drawn; nothing where there is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress

from unlearning.generation.sampling import Told


@contextmanager
def bar(words: str) -> Iterator[Told]:
    """Show steps done of steps in all under some words."""
    hidden = not sys.stderr.isatty()
    with Progress(console=Console(stderr=True), disable=hidden, transient=True) as shown:
        task = shown.add_task(words)
        yield lambda done, total: shown.update(task, completed=done, total=total)
