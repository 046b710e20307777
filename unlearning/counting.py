"""Counts in words; and how far something has come that takes long, told to whoever waits.

Who shows it is chosen by the caller of a command; where nobody waits nobody is told. Light, since
the ledger imports it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, TypeVar

T = TypeVar("T")

MEGABYTE = 1e6
"""Bytes of one, for what is counted in MB."""


def numbered(count: int, one: str, many: str) -> str:
    """Write a count with the words that fit it: `1 copy`, `2 copies`; `1 request waits`."""
    return f"{count} {one if count == 1 else many}"


class Show(Protocol):
    """Shows that `done` of `total` units are done; with all of them it is over."""

    def __call__(self, words: str, unit: str, done: float, total: float) -> None:
        """Show it, or not."""


_show: ContextVar[Show | None] = ContextVar("show", default=None)


@contextmanager
def shown_by(show: Show) -> Iterator[None]:
    """Let what is counted meanwhile be shown by this function."""
    token = _show.set(show)
    try:
        yield
    finally:
        _show.reset(token)


@contextmanager
def counting(words: str, unit: str, total: float) -> Iterator[Callable[[float], None]]:
    """Give a function that is told how much more is done each time; over when this is left."""
    show, done = _show.get(), 0.0

    def tell(more: float) -> None:
        nonlocal done
        done += more
        if show is not None and done < total:
            show(words, unit, done, total)

    tell(0.0)
    try:
        yield tell
    finally:
        if show is not None:
            show(words, unit, total, total)


def counted(items: Iterable[T], total: int, words: str, unit: str) -> Iterator[T]:
    """Give the items, of which there are `total`, and count each when the next one is asked for."""
    if _show.get() is None:
        yield from items
        return
    with counting(words, unit, total) as tell:
        for item in items:
            yield item
            tell(1)
