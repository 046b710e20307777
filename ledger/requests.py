"""Deletion requests, their states and deadlines, and the journal of the runs that serve them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from threading import RLock
from typing import Any

from ledger import durable
from ledger.chain import Entry, Verification
from ledger.deadlines import due_at, extended_due_at
from ledger.domain import DeletionRequest as DeletionRequest
from ledger.domain import Selector as Selector
from ledger.domain import State as State
from ledger.domain import check_move
from ledger.errors import KeyConflict, KeyMissing, UnknownReference
from ledger.log import Log
from ledger.moments import timestamp
from ledger.selectors import SelectorStore
from ledger.store import Store
from unlearning.errors import RequestDenied, UsageError


class Ledger:
    """The record of one workspace. Every change is one log entry, written before the tables."""

    def __init__(self, store: Store, selectors: SelectorStore) -> None:
        """Join a store and the sealed selectors beside it; use `open` instead."""
        self._store = store
        self._selectors = selectors
        self._lock = RLock()  # what a check found must still hold when the entry is written

    @classmethod
    def open(cls, records: Path, keys: Path, *, read_only: bool = False) -> Ledger:
        """Check the log and open the ledger; to write, under the workspace lock.

        read_only: writes nothing, not even on a crash's leftovers, and needs no private key.
        Raises LogAltered, LogTruncated or ProjectionBroken if the records are not what they were.
        """
        selectors = SelectorStore(records / "sealed", keys)
        store = Store.open(records, keys, read_only=read_only, unrecorded=selectors.unrecorded)
        if not read_only:
            durable.clear_unfinished(records)
            selectors.sweep({request.ref for request in store.tables.requests()})
        return cls(store, selectors)

    @property
    def log(self) -> Log:
        """The log underneath."""
        return self._store.log

    def check(self) -> Verification:
        """Compare the tables with a replay of the whole log."""
        return self._store.check()

    def record(self, event: str, body: Mapping[str, Any], *, key: str, now: datetime) -> Entry:
        """Write an event that changes no request, such as a first model; the same key only once."""
        return self._store.record(event, body, key=key, now=now)

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
    ) -> DeletionRequest:
        """Record a request as accepted, as denied with its reason, or as served already.

        examples: how many the selector was found to match; with none the request is denied, unless
        erased_by names the run that erased them: then it goes with that run, and is complete when
        that run's requests are. A key that was used before gives the request of that time back, or
        raises KeyConflict if the selector or the law is another, or if nobody can tell any more.
        """
        _check_past(received_at, now)
        with self._lock:
            key = idempotency_key
            digest = self._selectors.key_digest(key) if key else None
            earlier = self._store.tables.requests(key_digest=digest) if digest else []
            content = self._selectors.content_digest(key, selector, jurisdiction) if key else None
            if earlier:
                return self._repeated(earlier[0], selector, jurisdiction, content)
            state, reason = self._outcome(selector, examples, denial, erased_by)
            fields: dict[str, Any] = {
                "state": state,
                "received_at": timestamp(received_at),
                "due_at": timestamp(due_at(received_at, jurisdiction)),
                "jurisdiction": jurisdiction,
                "examples": examples,
                "reason": reason,
                "key_digest": digest,
                "content_digest": content,
                "run": erased_by if self._started(erased_by) else None,
            }
            return self._new_request(selector, fields, now)

    def link(self, ref: str, run: str, *, now: datetime) -> DeletionRequest:
        """Let a request go with the run that erased its examples; a second time changes nothing.

        It is complete when that run's requests are. RequestDenied unless it is accepted.
        """
        with self._lock:
            key = f"{run}/{ref}/linked"
            if self.log.find(key) is None:
                check_move(self.request(ref), State.PURGING)
            reason, known = _goes_with(run), run if self._started(run) else None
            body = {"request": ref, "run": known, "state": State.PURGING, "reason": reason}
            self._store.record("linked", body, key=key, now=now)
            return self.request(ref)

    def request(self, ref: str) -> DeletionRequest:
        """One request; UnknownReference if it was never recorded."""
        found = self._store.tables.requests(ref=ref)
        if not found:
            raise UnknownReference(f"request {ref}: not recorded here: see `lethe list requests`")
        return found[0]

    def requests(self, due_within: timedelta | None, now: datetime) -> list[DeletionRequest]:
        """All requests, the earliest deadline first.

        due_within: only those still open whose deadline is over or ends within this time.
        """
        found = self._store.tables.requests()
        if due_within is None:
            return found
        return [r for r in found if not r.state.terminal and r.due_at <= now + due_within]

    def selector(self, ref: str) -> Selector:
        """Open what a request named; personal data, so not for logs or messages."""
        return self._selectors.get(self.request(ref).ref, self._commitment(ref))

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
        with self._lock:
            current = self.request(ref)
            if key is None or self.log.find(key) is None:
                check_move(current, state)
            body = {"request": ref, "state": state, "reason": reason}
            self._store.record("moved", body, key=key or self._next_key(ref), now=now)
            return self.request(ref)

    def extend(self, ref: str, *, reason: str, now: datetime) -> DeletionRequest:
        """Give a request the law's longest deadline; LateExtension once the first is over."""
        with self._lock:
            current = self.request(ref)
            if current.state.terminal:
                raise RequestDenied(f"request {ref}: is {current.state}, no deadline runs any more")
            due = extended_due_at(current.received_at, current.jurisdiction, now=now)
            body = {"request": ref, "due_at": timestamp(due), "reason": reason}
            self._store.record("extended", body, key=self._next_key(ref), now=now)
            return self.request(ref)

    def start_run(self, refs: Sequence[str], *, now: datetime) -> str:
        """Begin a run over accepted requests and return its reference.

        Raises RequestDenied if one of them is not accepted or belongs to an unfinished run.
        """
        if not refs:
            raise UsageError("a run over no request: expected at least one reference")
        with self._lock:
            self._check_free(refs)
            run = f"run-{secrets.token_hex(6)}"
            body = {"run": run, "requests": sorted(set(refs))}
            self._store.record("run_started", body, key=f"{run}/started", now=now)
            return run

    def unfinished_run(self, refs: Sequence[str]) -> str | None:
        """The run over exactly these requests that a crash left unfinished."""
        wanted = tuple(sorted(set(refs)))
        runs = self._store.tables.unfinished_runs()
        return next((run for run, requests in runs.items() if requests == wanted), None)

    def unfinished_runs(self) -> dict[str, tuple[str, ...]]:
        """All runs that a crash or an error left unfinished, each with its requests."""
        return self._store.tables.unfinished_runs()

    def run_requests(self, run: str) -> tuple[str, ...]:
        """The requests of a run, sorted; UnknownReference if it was never started."""
        refs = self._store.tables.run_requests(run)
        if refs is None:
            raise UnknownReference(f"run {run}: not recorded here: see `lethe list requests`")
        return refs

    def finish_run(self, run: str, *, now: datetime) -> None:
        """Close a run, whatever came out of it; a second time changes nothing."""
        self.run_requests(run)
        self._store.record("run_finished", {"run": run}, key=f"{run}/finished", now=now)

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
        key = f"{run}/{step}"
        entry = self.log.find(key)
        if entry is None:
            self.run_requests(run)
            entry = self._store.record("step", work(), key=key, now=clock())
        return dict(entry.body)

    def _started(self, run: str | None) -> bool:
        return run is not None and self._store.tables.run_requests(run) is not None

    def _outcome(
        self, selector: Selector, examples: int, denial: str | None, erased_by: str | None
    ) -> tuple[State, str | None]:
        if erased_by is not None:
            return State.PURGING, _goes_with(erased_by)
        if denial or not examples:
            return State.DENIED, denial or "the selector matches no example"
        twin = self._twin(selector)
        return State.ACCEPTED, f"asks for the same as {twin}, goes with it" if twin else None

    def _twin(self, selector: Selector) -> str | None:
        """The open request, received first, that asks for the same."""
        waiting = [r for r in self._store.tables.requests() if r.state is State.ACCEPTED]
        same = (r for r in waiting if self._asks_for(r.ref, selector))
        found = min(same, key=lambda request: (request.received_at, request.ref), default=None)
        return found.ref if found else None

    def _asks_for(self, ref: str, selector: Selector) -> bool:
        """Whether a request asks for the same; nobody can tell of one whose key is lost."""
        try:
            return self.selector(ref).ordered() == selector.ordered()
        except KeyMissing:
            return False

    def _new_request(
        self, selector: Selector, fields: dict[str, Any], now: datetime
    ) -> DeletionRequest:
        # (1) Seal before the log: a crash between the two leaves a sealed file that nobody
        #     refers to, which the next opening removes; never an entry without its selector.
        ref = f"req-{secrets.token_hex(6)}"
        commitment = self._selectors.put(ref, selector)
        # (2) One entry records receipt and decision, so that no request is ever in between.
        body = {"request": ref, "commitment": commitment, **fields}
        self._store.record("submitted", body, key=f"{ref}/submitted", now=now)
        self._selectors.recorded()
        return self.request(ref)

    def _repeated(
        self,
        earlier: DeletionRequest,
        selector: Selector,
        jurisdiction: str,
        content: str | None,
    ) -> DeletionRequest:
        entry = self.log.find(f"{earlier.ref}/submitted")
        known = entry.body.get("content_digest") if entry else None
        if known:
            same = known == content
        else:  # recorded before there were such digests: its key may be gone
            same = self._selectors.agrees(earlier.ref, selector, self._commitment(earlier.ref))
            same = same and jurisdiction == earlier.jurisdiction
        if not same:
            raise KeyConflict(
                f"idempotency key: was used by request {earlier.ref} with another content, "
                "expected the same: repeat that request as it was, or take a new key"
            )
        return earlier

    def _commitment(self, ref: str) -> str:
        entry = self.log.find(f"{ref}/submitted")
        return str(entry.body["commitment"]) if entry else ""

    def _next_key(self, ref: str) -> str:
        return f"{ref}/{len(self.log.entries()) + 1}"

    def _check_free(self, refs: Sequence[str]) -> None:
        for run, members in self._store.tables.unfinished_runs().items():
            if not set(members).isdisjoint(refs):
                raise RequestDenied(
                    f"run {run}: is unfinished and holds some of these requests: "
                    f"first run `lethe forget {' '.join(members)}`"
                )
        for ref in refs:
            state = self.request(ref).state
            if state is not State.ACCEPTED:
                raise RequestDenied(
                    f"request {ref}: is {state}, expected accepted: see `lethe show`"
                )


def _goes_with(run: str) -> str:
    return f"the same was erased by {run}"


def _check_past(received_at: datetime, now: datetime) -> None:
    got, limit = timestamp(received_at), timestamp(now)
    if received_at > now:
        raise UsageError(f"received at {got}: lies after {limit}: expected a time in the past")
