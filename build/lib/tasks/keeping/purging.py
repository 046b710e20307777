"""What is due is erased, and requests that have no copy left are complete."""

from __future__ import annotations

from typing import Any

from ledger.domain import State
from tasks.purge import finish_linked
from tasks.running.opened import Opened
from tasks.running.records import as_record, utc_now
from tasks.witness import bring_up_to_date


def purge_due(at: Opened) -> dict[str, Any]:
    """Go on with the purging of all requests that are at it; twice is harmless."""
    known = at.ledger.requests(None, utc_now())
    refs = [r.ref for r in known if r.state is State.PURGING]
    copies = finish_linked(at, refs)
    bring_up_to_date(at)
    return {"requests": [as_record(at.ledger.request(r)) for r in refs], "copies": copies}
