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
from ledger.deadlines import Jurisdiction as Jurisdiction
from ledger.deadlines import due_at, extended_due_at
from ledger.domain import DeletionRequest as DeletionRequest
from ledger.domain import Selector as Selector
from ledger.domain import State as State
from ledger.domain import check_move
from ledger.errors import KeyConflict, UnknownReference
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
        store = Store.open(records, keys, read_only=read_only)
        selectors = SelectorStore(records / "sealed", keys)
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
        jurisdiction: Jurisdiction,
        idempotency_key: str | None,
        examples: int,
        now: datetime,
        denial: str | None = None,
    ) -> DeletionRequest:
        """Record a request as accepted, or as denied with its reason.

        examples: how many the selector was found to match; with none the request is denied. A
        key that was used before gives the request of that time back, or raises KeyConflict if
        the selector or the law is another.
        """
        _check_past(received_at, now)
        with self._lock:
            digest = self._selectors.key_digest(idempotency_key) if idempotency_key else None
            earlier = self._store.tables.requests(key_digest=digest) if digest else []
            if earlier:
                return self._repeated(earlier[0], selector, jurisdiction)
            reason = denial or (None if examples else "the selector matches no example")
            fields: dict[str, Any] = {
                "state": State.DENIED if reason else State.ACCEPTED,
                "received_at": timestamp(received_at),
                "due_at": timestamp(due_at(received_at, jurisdiction)),
                "jurisdiction": jurisdiction,
                "examples": examples,
                "reason": reason,
                "key_digest": digest,
            }
            return self._new_request(selector, fields, now)

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
        return self.request(ref)

    def _repeated(
        self, earlier: DeletionRequest, selector: Selector, jurisdiction: Jurisdiction
    ) -> DeletionRequest:
        same = self._selectors.agrees(earlier.ref, selector, self._commitment(earlier.ref))
        if not same or jurisdiction is not earlier.jurisdiction:
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


def _check_past(received_at: datetime, now: datetime) -> None:
    got, limit = timestamp(received_at), timestamp(now)
    if received_at > now:
        raise UsageError(f"received at {got}: lies after {limit}: expected a time in the past")
