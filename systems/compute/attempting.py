"""Making one network in this process, by training or by a method.

A method's own failure is told from one of what it stands on.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from unlearning import networks
from unlearning.contracts import Method
from unlearning.domain import Examples, Handed
from unlearning.errors import (
    AttemptFailed,
    Hindered,
    InfrastructureError,
    IntegrityError,
    LetheError,
    is_out_of_memory,
)
from unlearning.memory import Room, room
from unlearning.networks import Classifier, Recipe
from unlearning.training.loop import Progress, Training, train
from unlearning.training.pinned import Kernels, pinned, profile_of


class Losses:
    """Keeps what is told of each epoch on its way to the progress bar."""

    def __init__(self, then: Progress) -> None:
        """Begin with nothing."""
        self.told: list[tuple[int, int, float]] = []
        self._then = then

    def __call__(self, done: int, total: int, loss: float) -> None:
        """Keep it and pass it on."""
        self.told.append((done, total, loss))
        self._then(done, total, loss)

    @property
    def values(self) -> tuple[float, ...]:
        """Give the loss of each epoch."""
        return tuple(loss for _, _, loss in self.told)


def generator(seed: int) -> torch.Generator:
    """Give a seeded generator."""
    return torch.Generator().manual_seed(seed)


@dataclass(frozen=True, eq=False)
class Attempted:
    """A candidate, the seconds that it took, the method's own numbers, and parts of a batch.

    profile: of the machine, where the method is exact and so can be done again.
    """

    candidate: Classifier
    seconds: float
    report: Mapping[str, float]
    parts: int
    profile: Mapping[str, Any] | None = None


def attempted(
    method: Method,
    original: Classifier,
    handed: Handed,
    seed: int,
    losses: Losses,
    instead: Callable[[Room], Classifier] | None = None,
    processes: int = 1,
) -> Attempted:
    """Run a method in this process, or have so many do it `instead` with the room that there is.

    Raises AttemptFailed if the method did, for whatever reason of its own. Where memory does not do
    for its batches it begins again, with the same seed, and has them cut.
    """
    started = time.perf_counter()

    def run() -> Any:
        losses.told.clear()
        if instead is not None:
            return instead(found)
        return method.unlearn(original, handed, generator(seed), losses)

    with own_failure(method.name), in_kernels_of(method) as kernels, room() as found:
        candidate = found.fit(run, _batch(method))
        seconds = time.perf_counter() - started
        if not isinstance(candidate, Classifier):
            raise TypeError(f"gave {type(candidate).__name__}, not a Classifier")
        report = method.report(original, candidate, handed)
    if kernels is None:
        return Attempted(candidate, seconds, report, found.parts)
    here = profile_of(kernels, _precision(method), processes=processes, parts=found.parts)
    return Attempted(candidate, seconds, report, found.parts, here.as_record())


def in_kernels_of(method: Method) -> AbstractContextManager[Kernels | None]:
    """Pin the kernels of what must be possible to do again; leave those of others alone."""
    return pinned() if method.exact else nullcontext()


def _precision(method: Method) -> str:
    return str(getattr(getattr(method, "training", method), "precision", "fp32"))


def fresh(
    recipe: Recipe, training: Training, examples: Examples, seed: int, losses: Losses
) -> Attempted:
    """Train a network from fresh weights."""
    started, rng = time.perf_counter(), generator(seed)
    network = networks.build(recipe, rng)
    with room() as found:
        train(network, examples, training, rng, losses)
    return Attempted(network, time.perf_counter() - started, {}, found.parts)


def _batch(method: Method) -> int:
    """Give the examples in a method's largest batch, as far as its settings tell."""
    return int(getattr(getattr(method, "training", method), "batch_size", 1))


@contextmanager
def own_failure(name: str) -> Iterator[None]:
    """Tell a method's own failure from one of what it stands on: a full disk, altered bytes.

    What an unforeseen exception says is not passed on, since nobody knows what stands in it; its
    kind and its place are.
    """
    try:
        yield
    except (InfrastructureError, IntegrityError, OSError):
        raise
    except LetheError as problem:
        raise AttemptFailed(f"{name}: {problem}") from problem
    except Exception as problem:
        if is_out_of_memory(problem):
            raise Hindered(
                f"{name}: memory: got less than it takes for the smallest parts of a batch; "
                "free some, or take smaller pictures: a failed attempt, the next rung follows"
            ) from problem
        place = traceback.extract_tb(problem.__traceback__)[-1]
        raise AttemptFailed(
            f"{name}: raised {type(problem).__name__} in {Path(place.filename).name}, line "
            f"{place.lineno}: this is a failed attempt, the next rung follows"
        ) from problem
