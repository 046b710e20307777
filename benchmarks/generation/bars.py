"""A bar on the terminal while pictures are drawn; nothing where there is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from unlearning.generation.sampling import Told, untold


@contextmanager
def bar(words: str) -> Iterator[Told]:
    """Show steps done of steps in all under some words."""
    if not sys.stderr.isatty():  # as on a machine that has no rich
        yield untold
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(words)
        yield lambda done, total: shown.update(task, completed=done, total=total)
