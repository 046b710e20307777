"""Alarms before a deadline, each once: an entry of the log, which whoever is to be told reads."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from ledger.domain import DeletionRequest
from tasks.running.opened import Opened
from tasks.running.records import utc_now

DUE = "deadline_near"
"""Event of the log: so many days, or none, were left."""

MARKS = (14, 7, 2, 0)
"""Days before the deadline; 0 is the deadline itself."""


def warn(at: Opened) -> list[dict[str, Any]]:
    """Record the alarms that are due and were not given before; give these."""
    now = utc_now()
    return [found for request in open_requests(at, now) if (found := _warned(at, request, now))]


def open_requests(at: Opened, now: datetime) -> list[DeletionRequest]:
    """Open requests whose deadline is over or nearer than the first mark, the earliest first."""
    return at.ledger.requests(timedelta(days=max(MARKS)), now)


def mark_of(due_at: datetime, now: datetime) -> int | None:
    """The mark that was passed last; None before the first. Those before it say nothing more."""
    passed = [mark for mark in MARKS if now >= due_at - timedelta(days=mark)]
    return min(passed) if passed else None


def _warned(at: Opened, request: DeletionRequest, now: datetime) -> dict[str, Any] | None:
    mark = mark_of(request.due_at, now)
    key = f"{request.ref}/due-{mark}/{request.due_at.date()}"  # an extension begins anew
    if mark is None or at.ledger.log.find(key):
        return None
    body = {"request": request.ref, "due_at": request.due_at.isoformat(), "days": mark}
    at.ledger.record(DUE, body, key=key, now=now)
    return body
