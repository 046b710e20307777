"""Histories of one register, and whether any order of its operations explains what was seen.

The register is the champion: a promotion is a compare-and-set on the parent, a read says who
serves. An operation takes effect at one moment between its call and its answer; one that was never
answered, since its process was killed, at any later moment or not at all (Herlihy and Wing 1990;
the search is Wing and Gong's).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

DONE, STALE, READ = "done", "stale", "read"


@dataclass(frozen=True)
class Operation:
    """A promotion of `version` on `parent`, or a read that gave `version`.

    called, answered: seconds of one clock. came_to: done, stale, read; None if nobody knows.
    """

    called: float
    answered: float
    came_to: str | None
    version: int
    parent: int = 0

    def after(self, serving: int) -> tuple[int, ...]:
        """What may serve after it, if `serving` did before; nothing if it cannot be here."""
        if self.came_to == READ:
            return (serving,) if serving == self.version else ()
        if self.came_to == STALE:
            return (serving,) if serving != self.parent else ()
        return (self.version,) if serving == self.parent else ()


@dataclass(frozen=True)
class Raced:
    """What a history came to. released: (version, parent) by the log; serving: by the alias."""

    operations: list[Operation]
    released: list[tuple[int, int]]
    serving: int
    stopped: int
    killed: int
    robbed: int
    fenced: int

    @property
    def done(self) -> set[int]:
        """The versions whose promotion was answered as done."""
        return {one.version for one in self.operations if one.came_to == DONE}


def explained(history: Sequence[Operation], first: int) -> bool:
    """Whether the operations can be put in one order in which each saw what it saw."""
    seen: set[tuple[frozenset[int], int]] = set()
    waiting = [(frozenset(range(len(history))), first)]
    while waiting:
        left, serving = waiting.pop()
        if all(history[i].came_to is None for i in left):
            return True
        if (left, serving) in seen:
            continue
        seen.add((left, serving))
        soonest = min(history[i].answered for i in left)
        for i in left:
            if history[i].called <= soonest:
                waiting += [(left - {i}, now) for now in history[i].after(serving)]
    return False


def unanswered(called: float, version: int, parent: int) -> Operation:
    """A promotion of which nobody knows what it came to."""
    return Operation(called, inf, None, version, parent)


def broken_chain(released: Sequence[tuple[int, int]], done: set[int], serving: int) -> str | None:
    """Say what is wrong with the releases of a log, (version, parent) in order; None if nothing is.

    Each is made on the one before; none is there twice; what was answered as done is there; the
    last one serves.
    """
    before, versions = 1, [version for version, _ in released]
    if len(set(versions)) != len(versions):
        return "a version was released twice"
    for version, parent in released:
        if parent != before:
            return f"version {version} was released on {parent}, expected {before}"
        before = version
    if lost := done - set(versions):
        return f"{len(lost)} promotions were answered as done and are not in the log"
    return None if serving == before else f"version {serving} serves, the log released {before}"
