"""Where progress is shown: chosen by the caller of a flow, since a flow's parameters are data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Epochs = Callable[[int, int, float], None]
Models = Callable[[int, int], None]
Drawing = Callable[[int, int], None]

Step = Callable[[str], None]

_step: ContextVar[Step | None] = ContextVar("step", default=None)
_epochs: ContextVar[Epochs | None] = ContextVar("epochs", default=None)
_models: ContextVar[Models | None] = ContextVar("models", default=None)
_drawing: ContextVar[Drawing | None] = ContextVar("drawing", default=None)


@contextmanager
def shown(epochs: Epochs, models: Models) -> Iterator[None]:
    """Show the epochs of training, and the models of a bank, by these functions."""
    tokens = _epochs.set(epochs), _models.set(models)
    try:
        yield
    finally:
        _epochs.reset(tokens[0])
        _models.reset(tokens[1])


@contextmanager
def shown_also(more: Epochs) -> Iterator[None]:
    """Show the epochs of training by this function too, besides the one that was chosen."""
    known = _epochs.get()

    def both(done: int, total: int, loss: float) -> None:
        more(done, total, loss)
        if known:
            known(done, total, loss)

    token = _epochs.set(both)
    try:
        yield
    finally:
        _epochs.reset(token)


@contextmanager
def drawing_shown(show: Drawing) -> Iterator[None]:
    """Show the steps in which pictures are drawn by this function."""
    token = _drawing.set(show)
    try:
        yield
    finally:
        _drawing.reset(token)


@contextmanager
def steps_shown(show: Step) -> Iterator[None]:
    """Show the steps of a run by this function."""
    token = _step.set(show)
    try:
        yield
    finally:
        _step.reset(token)


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
