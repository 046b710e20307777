"""Deletion requests, their states and deadlines, and the journal of the runs that serve them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ledger import durable
from ledger.chain import Entry, Verification
from ledger.domain import DeletionRequest as DeletionRequest
from ledger.domain import Selector as Selector
from ledger.domain import State as State
from ledger.domain import check_move
from ledger.lines import Lines, lines_of
from ledger.log import Log
from ledger.requests import confirming, runs, splitting, submitting, verbs
from ledger.requests.book import Book
from ledger.requests.identity import Identity
from ledger.requests.verbs import Verb as Verb
from ledger.selectors import SelectorStore
from ledger.store import Store


class Ledger:
    """The record of one workspace. Every change is one log entry, written before the tables."""

    def __init__(self, store: Store, selectors: SelectorStore) -> None:
        """Join a store and the sealed selectors beside it; use `open` instead."""
        self._book = Book(store, selectors)

    @classmethod
    def open(
        cls, records: Path, keys: Path, *, read_only: bool = False, lines: Lines | None = None
    ) -> Ledger:
        """Check the log and open the ledger; to write, under the workspace lock.

        read_only: writes nothing, not even on a crash's leftovers, and needs no private key. lines:
        where its log lies; by default where it does without a URL.
        Raises LogAltered, LogTruncated or ProjectionBroken if the records are not what they were.
        """
        selectors = SelectorStore(records / "sealed", keys)
        store = Store.open(
            *(lines or lines_of(records, None), records, keys),
            read_only=read_only,
            unrecorded=selectors.unrecorded,
        )
        if not read_only:
            for folder in (records, keys):
                durable.clear_unfinished(folder)
            known = store.tables.requests()
            ended = {request.ref for request in known if request.state.terminal}
            selectors.sweep({request.ref for request in known}, ended)
        return cls(store, selectors)

    @property
    def log(self) -> Log:
        """The log underneath."""
        return self._book.store.log

    def check(self) -> Verification:
        """Compare the tables with a replay of the whole log."""
        return self._book.store.check()

    def record(self, event: str, body: Mapping[str, Any], *, key: str, now: datetime) -> Entry:
        """Write an event that changes no request, such as a first model; the same key only once."""
        return self._book.store.record(event, body, key=key, now=now)

    def rotate_key(self, *, reason: str, now: datetime) -> Entry:
        """Let a new signing key take over, as the old one's last entry says, and the old one go.

        RequestDenied while a run is unfinished, whose statements are one key's.
        """
        return runs.rotate_key(self._book, reason, now)

    def submit(
        self,
        selector: Selector,
        *,
        received_at: datetime,
        jurisdiction: str,
        idempotency_key: str | None,
        examples: int,
        now: datetime,
        denial: str | None = None,
        erased_by: str | None = None,
        ref: str | None = None,
        source: str | None = None,
        hold: str | None = None,
        unknown: int = 0,
        ground: str | None = None,
        identity: Identity | None = None,
        asks: str | None = None,
    ) -> DeletionRequest:
        """Record a request as accepted, held, denied with its reason, or as served already.

        examples: how many the selector was found to match; with none the request is denied, unless
        erased_by names the run that erased them: then it goes with that run, and is complete when
        that run's requests are. A key that was used before gives the request of that time back, or
        raises KeyConflict if the selector or the law is another, or if nobody can tell any more.
        ref: what it was called when it was received; what has it already is given back as it is.
        source: who sent it. hold: why a person has to look at it first. unknown: how many of its
        values belong to nothing, which the log keeps. ground: of the denial.
        identity: what was attested of who asks. asks: it has to be, and what the clock does until
        then, `runs` or `pauses`; what comes without is held.
        """
        demand = submitting.Demand(
            *(selector, received_at, jurisdiction, idempotency_key, examples, denial, erased_by),
            *(ref, source, hold, unknown, ground, identity, asks),
        )
        return submitting.submit(self._book, demand, now)

    def deny_unread(
        self,
        ref: str,
        received_at: datetime,
        jurisdiction: str,
        *,
        reason: str,
        now: datetime,
        ground: str | None = None,
    ) -> DeletionRequest:
        """Record a request that was received, and that nobody can read any more, as denied."""
        said = (received_at, jurisdiction, reason, now, ground)
        return submitting.deny_unread(self._book, ref, *said)

    def confirm(self, ref: str, identity: Identity, *, now: datetime) -> DeletionRequest:
        """Record by whom and how it was confirmed who asks; what waited for it goes on.

        RequestDenied for a request that has ended, or that was confirmed before.
        """
        return confirming.confirm(self._book, ref, identity, now)

    def identity(self, ref: str) -> Mapping[str, Any] | None:
        """What was attested of who asks: method, by and reference; None if nothing was."""
        return confirming.identity_of(self._book, ref)

    def unconfirmed(self, ref: str) -> bool:
        """Whether a request waits until it is confirmed who asks."""
        return confirming.unconfirmed(self._book, ref)

    def link(self, ref: str, run: str, *, now: datetime) -> DeletionRequest:
        """Let a request go with the run that erased its examples; a second time changes nothing.

        It is complete when that run's requests are. RequestDenied unless it is accepted.
        """
        return runs.link(self._book, ref, run, now)

    def request(self, ref: str) -> DeletionRequest:
        """One request; UnknownReference if it was never recorded."""
        return self._book.request(ref)

    def known(self, ref: str) -> DeletionRequest | None:
        """One request; None if it was never recorded."""
        return next(iter(self._book.store.tables.requests(ref=ref)), None)

    def requests(self, due_within: timedelta | None, now: datetime) -> list[DeletionRequest]:
        """All requests, the earliest deadline first.

        due_within: only those still open whose deadline is over or ends within this time.
        """
        found = self._book.store.tables.requests()
        if due_within is None:
            return found
        return [r for r in found if not r.state.terminal and r.due_at <= now + due_within]

    def selector(self, ref: str) -> Selector:
        """Open what a request named; personal data, so not for logs or messages.

        RequestDenied for a request that has ended, KeyMissing or SelectorMissing if it was lost.
        """
        return self._book.selector(ref)

    def lost(self, ref: str) -> str | None:
        """Say why nobody can tell what an open request named; None if it can be read."""
        return self._book.lost(ref)

    def move(
        self,
        ref: str,
        state: State,
        *,
        now: datetime,
        reason: str | None = None,
        key: str | None = None,
    ) -> DeletionRequest:
        """Take a request to its next state; RequestDenied if the state may not follow.

        A key that was used before changes nothing, so that a resumed run can repeat its moves.
        reason: goes into the log, so it must not identify a person.
        """
        with self._book.lock:
            current = self.request(ref)
            if key is None or self.log.find(key) is None:
                check_move(current, state)
            body = {"request": ref, "state": state, "reason": reason}
            self._book.store.record("moved", body, key=key or self._book.next_key(ref), now=now)
            return self.request(ref)

    def say(
        self, verb: Verb, ref: str, *, reason: str, now: datetime, ground: str | None = None
    ) -> DeletionRequest:
        """Deny, hold, resume or extend a request, by the table `VERBS`.

        RequestDenied where its state or its run does not allow it, LateExtension for an extension
        once the first deadline is over. reason: for the log, so it must not identify a person.
        ground: of a denial, one of `grounds`; UsageError for another.
        """
        return verbs.say(self._book, verb, ref, reason, now, ground)

    def hold_part(
        self, ref: str, ids: Collection[str], *, examples: int, reason: str, now: datetime
    ) -> DeletionRequest:
        """Hold some examples that a request names, as a request of its own, and return that.

        ids: of these examples; examples: how many the request names now. The rest stays as it is.
        RequestDenied unless it is accepted or held and no run is at it, UsageError for nothing or
        all of it.
        """
        return splitting.split(self._book, ref, ids, examples, reason, now)

    def parts(self, ref: str) -> list[DeletionRequest]:
        """The parts that were taken from a request, each before its own, as they stand."""
        found = [str(entry.body["request"]) for entry in self._book.parts(ref)]
        return [one for part in found for one in (self.request(part), *self.parts(part))]

    def part_of(self, ref: str) -> str | None:
        """The request that this one was taken from as a part; None if it is none."""
        return self._book.whole(ref)

    def start_run(self, refs: Sequence[str], *, now: datetime) -> str:
        """Begin a run over accepted requests and return its reference.

        Raises RequestDenied if one of them is not accepted or belongs to an unfinished run.
        """
        return runs.start(self._book, refs, now)

    def unfinished_run(self, refs: Sequence[str]) -> str | None:
        """The run over exactly these requests that a crash left unfinished."""
        wanted = tuple(sorted(set(refs)))
        runs = self._book.store.tables.unfinished_runs()
        return next((run for run, requests in runs.items() if requests == wanted), None)

    def unfinished_runs(self) -> dict[str, tuple[str, ...]]:
        """All runs that a crash or an error left unfinished, each with its requests."""
        return self._book.store.tables.unfinished_runs()

    def run_requests(self, run: str) -> tuple[str, ...]:
        """The requests of a run, sorted; UnknownReference if it was never started."""
        return runs.requests_of(self._book, run)

    def finish_run(self, run: str, *, now: datetime) -> None:
        """Close a run, whatever came out of it; a second time changes nothing."""
        self.run_requests(run)
        self._book.store.record("run_finished", {"run": run}, key=f"{run}/finished", now=now)

    def once(
        self,
        run: str,
        step: str,
        work: Callable[[], dict[str, Any]],
        *,
        clock: Callable[[], datetime],
    ) -> dict[str, Any]:
        """Do a step of a run unless its result is in the log; return the result as logged.

        `work` must be idempotent: a crash after its effect and before the log entry makes the
        next run call it again. Its result goes into the log, so it may hold references, digests,
        numbers and states only. clock: read when the work is done.
        """
        return runs.once(self._book, run, step, work, clock)
