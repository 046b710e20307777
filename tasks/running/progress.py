"""Where progress is shown: chosen by the caller of a flow, since a flow's parameters are data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import TypeVar

Epochs = Callable[[int, int, float], None]
Models = Callable[[int, int], None]
Drawing = Callable[[int, int], None]

Step = Callable[[str], None]
Shows = TypeVar("Shows")

_step: ContextVar[Step | None] = ContextVar("step", default=None)
_epochs: ContextVar[Epochs | None] = ContextVar("epochs", default=None)
_models: ContextVar[Models | None] = ContextVar("models", default=None)
_drawing: ContextVar[Drawing | None] = ContextVar("drawing", default=None)


@contextmanager
def shown(epochs: Epochs, models: Models) -> Iterator[None]:
    """Show the epochs of training, and the models of a bank, by these functions."""
    with _by(_epochs, epochs), _by(_models, models):
        yield


@contextmanager
def shown_also(more: Epochs) -> Iterator[None]:
    """Show the epochs of training by this function too, besides the one that was chosen."""
    known = _epochs.get()

    def both(done: int, total: int, loss: float) -> None:
        more(done, total, loss)
        if known:
            known(done, total, loss)

    with _by(_epochs, both):
        yield


def drawing_shown(show: Drawing) -> AbstractContextManager[None]:
    """Show the steps in which pictures are drawn by this function."""
    return _by(_drawing, show)


def steps_shown(show: Step) -> AbstractContextManager[None]:
    """Show the steps of a run by this function."""
    return _by(_step, show)


@contextmanager
def _by(what: ContextVar[Shows | None], show: Shows) -> Iterator[None]:
    token = what.set(show)
    try:
        yield
    finally:
        what.reset(token)


def step(words: str) -> None:
    """Show the step that begins to whoever is looking."""
    show = _step.get()
    if show:
        show(words)


def epochs(done: int, total: int, loss: float) -> None:
    """Show epochs to whoever is looking."""
    show = _epochs.get()
    if show:
        show(done, total, loss)


def models(done: int, total: int) -> None:
    """Show models to whoever is looking."""
    show = _models.get()
    if show:
        show(done, total)


def drawing(done: int, total: int) -> None:
    """Show the steps in which pictures are drawn to whoever is looking."""
    show = _drawing.get()
    if show:
        show(done, total)
