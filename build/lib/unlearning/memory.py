"""Too little memory for a batch: it goes through the network in parts, and training goes on.

The gradient of the whole batch is still what a step follows. Each part's activations are computed,
forgotten and computed again on the way back, so that those of one part are held at a time. Only
batch normalisation sees another batch: it normalises part by part.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from unlearning.errors import is_out_of_memory

T = TypeVar("T")
LOG = logging.getLogger(__name__)
SMALLEST = 2
"""Examples in a part at least: batch normalisation cannot train on one."""


@dataclass
class Room:
    """Into how many parts batches are cut so far; 1 until memory did not do.

    alone: False where several processes train together: one that begins again would leave the
    others waiting, so whoever started them begins all of them again.
    """

    parts: int = 1
    alone: bool = True

    def fit(self, work: Callable[[], T], batch: int) -> T:
        """Do the work from its beginning until memory does, each time in twice as many parts.

        batch: examples in its largest batch. What does not fit in the smallest parts is raised.
        """
        while True:
            try:
                return work()
            except (MemoryError, RuntimeError) as problem:
                smaller = self.alone and batch >= 2 * SMALLEST * self.parts
                if not (smaller and is_out_of_memory(problem)):
                    raise
            self._halve(batch)  # here, where the failed work's tensors are held by nobody

    def _halve(self, batch: int) -> None:
        self.parts *= 2
        LOG.warning("out of memory: batches of %d go on in %d parts", batch, self.parts)
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


_ROOM: ContextVar[Room | None] = ContextVar("room", default=None)


@contextmanager
def room(given: Room | None = None) -> Iterator[Room]:
    """Give the room that the work around is done in; without one, `given` or a new one."""
    around = _ROOM.get()
    if around is not None:
        yield around
        return
    made = given or Room()
    token = _ROOM.set(made)
    try:
        yield made
    finally:
        _ROOM.reset(token)


def in_parts(body: nn.Module, images: Tensor) -> Tensor:
    """Give a body's answers on a batch, (n, ...), in as many parts as the room asks for."""
    around = _ROOM.get()
    parts = 1 if around is None else min(around.parts, len(images) // SMALLEST)
    if parts < 2 or not torch.is_grad_enabled():
        whole: Tensor = body(images)
        return whole
    return torch.cat([_forgetful(body, part) for part in _cut(images, parts)])


def _cut(images: Tensor, parts: int) -> tuple[Tensor, ...]:
    return torch.tensor_split(images, parts)


def _forgetful(body: nn.Module, images: Tensor) -> Tensor:
    found: Tensor = checkpoint(
        body, images, use_reentrant=False, context_fn=lambda: (_as_it_is(), _seen_once(body))
    )
    return found


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield


@contextmanager
def _seen_once(body: nn.Module) -> Iterator[None]:
    """Put back what computing a part again does to batch normalisation's running statistics."""
    kept = [buffer.clone() for buffer in body.buffers()]
    try:
        yield
    finally:
        for buffer, old in zip(body.buffers(), kept, strict=True):
            buffer.data.copy_(old)
