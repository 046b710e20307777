"""A process of its own that is asked over a pipe, one thing after the other, until nobody asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any


@contextmanager
def apart(serve: Callable[..., None], *given: Any) -> Iterator[Callable[..., Any]]:
    """Begin a process that serves one end of a pipe, and ask it; what it sends is the answer.

    serve: takes its end of the pipe, then `given`.
    """
    ours, theirs = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=serve, args=(theirs, *given))
    process.start()
    theirs.close()

    def ask(*asked: Any) -> Any:
        ours.send(asked)
        return ours.recv()

    try:
        yield ask
    finally:
        ours.close()
        process.join()


def questions(answers: Connection) -> Iterator[Any]:
    """Give what is asked, one thing after the other, until nobody asks any more."""
    while True:
        try:
            asked = answers.recv()
        except EOFError:
            return
        yield asked
