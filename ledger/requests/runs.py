"""The runs that serve requests: which requests each holds, and the journal of its steps."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from ledger.chain import Entry
from ledger.domain import DeletionRequest, State, check_move, require_reason
from ledger.errors import UnknownReference
from ledger.requests.book import Book
from ledger.requests.confirming import unconfirmed
from unlearning.errors import RequestDenied, UsageError


def goes_with(run: str) -> str:
    """The reason of a request whose examples a run has erased."""
    return f"the same was erased by {run}"


def was_started(book: Book, run: str | None) -> bool:
    """Whether this workspace knows a run; the suppression list may name one of another."""
    return run is not None and book.store.tables.run_requests(run) is not None


def link(book: Book, ref: str, run: str, now: datetime) -> DeletionRequest:
    """Let a request go with the run that erased its examples; a second time changes nothing."""
    with book.lock:
        key = f"{run}/{ref}/linked"
        if book.log.find(key) is None:
            check_move(book.request(ref), State.PURGING)
        known = run if was_started(book, run) else None
        body = {"request": ref, "run": known, "state": State.PURGING, "reason": goes_with(run)}
        book.store.record("linked", body, key=key, now=now)
        return book.request(ref)


def start(book: Book, refs: Sequence[str], now: datetime) -> str:
    """Begin a run over accepted requests and return its reference."""
    if not refs:
        raise UsageError("a run over no request: expected at least one reference")
    with book.lock:
        _check_free(book, refs)
        run = f"run-{secrets.token_hex(6)}"
        body = {"run": run, "requests": sorted(set(refs))}
        book.store.record("run_started", body, key=f"{run}/started", now=now)
        return run


def rotate_key(book: Book, reason: str, now: datetime) -> Entry:
    """Let a new signing key take over; RequestDenied while a run is unfinished."""
    require_reason(reason, "why the key is replaced")
    with book.lock:
        for run, members in book.store.tables.unfinished_runs().items():
            raise RequestDenied(
                f"run {run}: is unfinished, and its statements are one key's, expected none: first "
                f"run `lethe forget {' '.join(members)}`"
            )
        return book.store.hand_over(reason=reason, now=now)


def requests_of(book: Book, run: str) -> tuple[str, ...]:
    """The requests of a run, sorted; UnknownReference if it was never started."""
    refs = book.store.tables.run_requests(run)
    if refs is None:
        raise UnknownReference(f"run {run}: not recorded here: see `lethe list requests`")
    return refs


def once(
    book: Book,
    run: str,
    step: str,
    work: Callable[[], dict[str, Any]],
    clock: Callable[[], datetime],
) -> dict[str, Any]:
    """Do a step of a run unless its result is in the log; return the result as logged.

    WorkspaceBusy before anything is done by whoever lost the workspace meanwhile.
    """
    key = f"{run}/{step}"
    entry = book.log.find(key)
    if entry is None:
        requests_of(book, run)
        book.log.require_alone()
        entry = book.store.record("step", work(), key=key, now=clock())
    return dict(entry.body)


def _check_free(book: Book, refs: Sequence[str]) -> None:
    for run, members in book.store.tables.unfinished_runs().items():
        if not set(members).isdisjoint(refs):
            raise RequestDenied(
                f"run {run}: is unfinished and holds some of these requests: "
                f"first run `lethe forget {' '.join(members)}`"
            )
    for ref in refs:
        found = book.request(ref)
        if found.state is not State.ACCEPTED:
            raise RequestDenied(_unclaimable(found, unconfirmed(book, ref)))


def _unclaimable(found: DeletionRequest, waits: bool) -> str:
    why = f" ({found.reason})" if found.reason else ""
    onward = f"see `lethe show {found.ref}`"
    if found.state is State.HELD:
        onward = f"lift the hold first: `lethe resume {found.ref} --reason TEXT`"
    if waits:
        onward = f"first `lethe confirm {found.ref} --identity METHOD:SYSTEM`"
    return f"request {found.ref}: is {found.state}{why}, expected accepted: {onward}"
