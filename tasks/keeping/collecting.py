"""Whether it is time for a run: what was cut off goes on at once, what waits as policy says."""

from __future__ import annotations

from ledger.domain import State
from ledger.replay.approvals import awaiting
from systems.settings.policy import load_policy
from tasks.running.opened import Opened
from tasks.running.records import utc_now


def why_now(at: Opened) -> str | None:
    """Say why a run is to begin, or to go on; None if nothing waits or it is not time yet.

    One that waits for a person's answer is nobody's to go on with.
    """
    entries = at.ledger.log.entries()
    if unfinished := [r for r in at.ledger.unfinished_runs() if not awaiting(entries, r)]:
        return f"{', '.join(unfinished)} was cut off, or has its answer"
    now = utc_now()
    known = at.ledger.requests(None, now)
    waiting = [(r.received_at, r.due_at) for r in known if r.state is State.ACCEPTED]
    return load_policy(at.ws.policy).collect.why(waiting, now)
