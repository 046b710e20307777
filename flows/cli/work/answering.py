"""What a person says of a request: its record as it stands then, and whom else it concerns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flows.cli.work.opening import working
from ledger.requests import Verb
from ledger.requests.identity import identity_in
from tasks.requests.receive import deny_unreadable
from tasks.running.opened import Opened
from tasks.running.records import as_record, utc_now


def say(
    path: Path, verb: str, request: str, reason: str, ground: str | None = None
) -> dict[str, Any]:
    """Record a verb under the lock; an extension says by when the person is to be told of it."""
    if verb == Verb.HOLD:
        return _hold(path, request, reason)
    with working(path, restoring=True) as at:
        if verb == Verb.DENY and (ended := deny_unreadable(at, request, reason, ground)):
            return as_record(ended) | {"ground": _said(at, ended.ref)["ground"]}
        found = at.ledger.say(Verb(verb), request, reason=reason, now=utc_now(), ground=ground)
        said = _said(at, found.ref)
        told = said.get("inform_by")
        informed = {"inform_person_by": told, "said": reason} if told else {}
        grounds = {"ground": said["ground"]} if "ground" in said else {}
        return as_record(found) | informed | grounds


def _hold(path: Path, request: str, reason: str) -> dict[str, Any]:
    """Hold all of a request under the lock, and name who waits for it from now on."""
    from tasks.requests.hold import require_untouched  # torch: the other verbs need none

    with working(path, restoring=True) as at:
        require_untouched(at, request)
        found = at.ledger.say(Verb.HOLD, request, reason=reason, now=utc_now())
        return as_record(found) | _waiting(at, found.ref)


def hold_part(path: Path, request: str, ids: Sequence[str], reason: str) -> dict[str, Any]:
    """Hold some of a request's examples under the lock, and name the part that they are now."""
    from tasks.requests.hold import hold_part as held

    with working(path, restoring=True) as at:
        part = held(at, request, ids, reason, utc_now())
        told = {"part_of": request, "left": at.ledger.request(request).examples}
        return as_record(part) | told | _waiting(at, part.ref)


def _waiting(at: Opened, held: str) -> dict[str, Any]:
    """Name who waits for what is held, where anybody does."""
    from tasks.requests.hold import held_up

    notes = held_up(at, held)
    return {"notes": notes} if notes else {}


def confirm(path: Path, request: str, identity: str) -> dict[str, Any]:
    """Record under the lock by whom and how it was confirmed who asks."""
    said = identity_in(identity, "--identity")
    with working(path, restoring=True) as at:
        found = at.ledger.confirm(request, said, now=utc_now())
        return as_record(found) | {"identity": said.as_value()}


def _said(at: Opened, request: str) -> Mapping[str, Any]:
    """What the newest entry on a request says; one on the clock, gone back, may have followed."""
    entries = at.ledger.log.newest_first()
    return next(entry.body for entry in entries if entry.body.get("request") == request)
