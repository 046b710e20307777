"""Whether it is time for a run: what was cut off goes on at once, what waits as policy says."""

from __future__ import annotations

from ledger.domain import DeletionRequest, State
from ledger.replay.approvals import awaiting
from systems.settings.policy import load_policy
from tasks.requests.waiting import refused
from tasks.running.opened import Opened
from tasks.running.records import utc_now


def why_now(at: Opened) -> str | None:
    """Say why a run is to begin, or to go on; None if nothing waits or it is not time yet.

    One that waits for a person's answer is nobody's to go on with.
    """
    entries = at.ledger.log.entries()
    if unfinished := [r for r in at.ledger.unfinished_runs() if not awaiting(entries, r)]:
        return f"{', '.join(unfinished)} was cut off, or has its answer"
    waiting = [(request.received_at, request.due_at) for request in accepted(at)]
    return load_policy(at.ws.policy).collect.why(waiting, utc_now())


def accepted(at: Opened) -> list[DeletionRequest]:
    """Give the requests that wait for a run.

    Those whose release a person refused wait for somebody to name them, or to deny them.
    """
    found = [r for r in at.ledger.requests(None, utc_now()) if r.state is State.ACCEPTED]
    answered = refused(at, [request.ref for request in found])
    return [request for request in found if request.ref not in answered]
