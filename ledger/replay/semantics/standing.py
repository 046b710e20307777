"""Where requests, runs and releases stand while a log is replayed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ledger.chain import Entry
from ledger.domain import State
from ledger.replay.purged import name_of, open_rows

ERASING = ("released", "purge")
"""Decisions after which the examples are erased."""


class Illegal(Exception):
    """What an entry says of something that is not there, so that no more can be asked of it."""


@dataclass(slots=True)
class Request:
    """A request. run: the last one over it, or the one that erased the same.

    unconfirmed: it waits until it is confirmed who asks, and confirmed that it was. question: what
    else a person has to look at then. stands_since: its clock stands still until then. stood: how
    long it did. parts: how many were taken from it.
    since: the entry that it, or what it is a part of, began with.
    """

    state: State
    received_at: datetime
    jurisdiction: str
    run: str | None
    since: int
    extended: bool = False
    unconfirmed: bool = False
    confirmed: bool = False
    question: bool = False
    stands_since: datetime | None = None
    stood: timedelta = timedelta(0)
    parts: int = 0

    def counted_from(self, at: datetime) -> datetime:
        """When its deadline is counted from, at a moment: later by what its clock stood still."""
        if self.stands_since is not None:
            return self.received_at + max(timedelta(0), at - self.stands_since)
        return self.received_at + self.stood


@dataclass(slots=True)
class Run:
    """A run. steps: those that it has done. told: entries on what became of copies.

    looked: whether all places were looked into again and nothing was back; None where no look was
    owed, by the step that purged. owes_statement: whether the erasure is attested before the end.
    """

    ref: str
    requests: tuple[str, ...]
    finished: bool = False
    steps: set[str] = field(default_factory=set)
    parent: object = None
    decision: object = None
    assurance: object = None
    candidate: object = None
    told: list[Entry] = field(default_factory=list)
    looked: bool | None = None
    owes_statement: bool = False

    @property
    def may_erase(self) -> bool:
        """Whether it has decided to erase, and released what it decided to."""
        return self.decision == "purge" or (
            self.decision == "released" and "promoted" in self.steps
        )

    def open_copies(self) -> list[str]:
        """Name the copies that are neither seen gone nor, where nobody can look, confirmed."""
        return [name_of(row) for row in open_rows(self.told, self.ref)]


@dataclass(slots=True)
class Version:
    """A version that served. parent: the one that it replaced; exact: nothing of that is in it."""

    sha256: str
    parent: int | None
    exact: bool


@dataclass(slots=True)
class History:
    """All that the entries so far have brought about.

    brought: a suppression list came from another workspace, whose runs erased what it names.
    attests: some run has stated its erasure; logs of before there were such statements have none.
    ending: runs that did, and have not stated that no copy is left. turns: what the clock had
    come to before it went back, by the entries of which somebody told afterwards.
    """

    requests: dict[str, Request] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    unfinished: set[str] = field(default_factory=set)
    serving: int | None = None
    versions: dict[int, Version] = field(default_factory=dict)
    marked: set[int] = field(default_factory=set)
    brought: bool = False
    attests: bool = False
    ending: set[str] = field(default_factory=set)
    turns: dict[int, datetime] = field(default_factory=dict)

    def request(self, ref: str) -> Request:
        """One request; Illegal if none of this name was submitted."""
        if ref not in self.requests:
            raise Illegal(f"request {ref}: was never submitted")
        return self.requests[ref]

    def run(self, ref: str) -> Run:
        """One run; Illegal if none of this name was started."""
        if ref not in self.runs:
            raise Illegal(f"run {ref}: was never started")
        return self.runs[ref]

    def working(self, ref: str) -> Run | None:
        """The unfinished run over a request; None if no run is at it."""
        run = self.runs.get(self.request(ref).run or "")
        return run if run and not run.finished and ref in run.requests else None

    def erased(self, ref: str | None, step: str) -> bool:
        """Whether a run has come to a step of its erasure, here or in another workspace.

        One that was unfinished when a backup was taken may have erased in the original, and was
        given up here.
        """
        steps = self.runs[ref].steps if ref in self.runs else ()
        return step in steps or (self.brought and "suppressed" not in steps)

    def mark_under(self, version: int) -> int | None:
        """Give the marked version that a version is, or was built upon; None if there is none."""
        at: int | None = version if self.marked else None  # nearly all logs mark none
        while at is not None and at not in self.marked:
            known = self.versions.get(at)
            at = None if known is None or known.exact else known.parent
        return at


Rule = Callable[[History, Entry], Iterator[str]]
"""Says what is wrong with an entry after a history, and carries it into that."""
