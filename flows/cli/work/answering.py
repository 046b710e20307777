"""What a person says of a request: its record as it stands then, and whom else it concerns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flows.cli.work.opening import working
from ledger.requests import Verb
from tasks.requests.receive import deny_unreadable
from tasks.running.records import as_record, utc_now


def say(path: Path, verb: str, request: str, reason: str) -> dict[str, Any]:
    """Record a verb under the lock; an extension says by when the person is to be told of it."""
    with working(path, restoring=True) as at:
        if verb == Verb.HOLD:
            from tasks.requests.hold import require_untouched  # torch: the other verbs need none

            require_untouched(at, request)
        if verb == Verb.DENY and (ended := deny_unreadable(at, request, reason)):
            return as_record(ended)
        found = at.ledger.say(Verb(verb), request, reason=reason, now=utc_now())
        told = at.ledger.log.entries()[-1].body.get("inform_by")
        return as_record(found) | ({"inform_person_by": told, "said": reason} if told else {})
