"""How long a version is kept that learned from people who are erased."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from ledger.backups import replayed
from ledger.domain import DeletionRequest, State
from ledger.replay.lineage import Release, taints
from tasks.erasing.serving import serving_runs
from tasks.running.opened import Opened
from tasks.running.records import utc_now


def kept_until(at: Opened, number: int, made: Sequence[Release]) -> datetime:
    """Grace begins with the first release that taints a version, and ends at the first deadline.

    That is of any request that waits for the version, also one that another run serves. There is
    none after a restore: those people had been erased before.
    """
    by = taints(number, made)
    grace = by[0].at + timedelta(days=at.params.model.grace_days)
    runs = {release.run for release in by}
    again = (release.at for release in by if replayed(at.ledger.log, release.requests))
    purging = purging_requests(at)
    due = (request.due_at for request in purging if request.run in runs)
    until = min([grace, *again, *due])
    sooner = {request.ref: request.due_at for request in purging if request.due_at < until}
    serving = serving_runs(at, sooner) if sooner else {}
    return min([until, *(sooner[ref] for ref, of in serving.items() if not runs.isdisjoint(of))])


def purging_requests(at: Opened) -> list[DeletionRequest]:
    """Give the requests whose examples are erased, and of which copies are kept."""
    return [r for r in at.ledger.requests(None, utc_now()) if r.state is State.PURGING]
