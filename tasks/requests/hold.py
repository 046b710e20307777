"""A hold comes in time: no run that is under way may still erase what it is to keep."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from ledger.domain import State
from ledger.requests import DeletionRequest
from tasks.requests.asked import open_requests
from tasks.running.opened import Opened
from tasks.running.run import Run
from unlearning.errors import RequestDenied, UsageError


def hold_part(
    at: Opened, ref: str, ids: Collection[str], reason: str, now: datetime
) -> DeletionRequest:
    """Hold some of a request's examples, as a request of its own, which is given; the rest stays.

    UsageError for an id that the request does not name.
    """
    at.ledger.selector(ref)  # one that is none, has ended or is lost says so
    named = named_by(at, [ref])
    if strange := sum(one not in named for one in ids):
        raise UsageError(
            f"--example: {strange} of {len(ids)} ids are none that {ref} names, expected ids of "
            "its examples: nothing was held"
        )
    require_untouched(at, ref, frozenset(ids))
    return at.ledger.hold_part(ref, ids, examples=len(named), reason=reason, now=now)


def require_untouched(at: Opened, ref: str, named: frozenset[str] | None = None) -> None:
    """RequestDenied if an unfinished run of others is to erase some of what a request names.

    Also one that was cut off before it had looked for what that is: it is claimed, and goes on.
    named: only these of its examples.
    """
    named = named_by(at, [ref]) if named is None else named
    for run, refs in at.ledger.unfinished_runs().items():
        found = Run(at, run)
        going = found.all_ids() if found.done("extracted") else named_by(at, refs)
        if ref not in refs and not named.isdisjoint(going):
            raise RequestDenied(
                f"request {ref}: run {run} is to erase some of what it names, expected no such "
                f"run: leave it first with `lethe abort {run} --reason TEXT`; one that has "
                f"released something cannot be left: `lethe forget {' '.join(refs)}`"
            )


def held_up(at: Opened, ref: str) -> list[str]:
    """Say which accepted requests wait, all of each, for the hold of what a request names."""
    named = named_by(at, [ref])
    others = (one for one in open_requests(at).asked if one.state is State.ACCEPTED)
    return [
        f"request {one.ref}: names {len(one.all_ids & named)} of what is held and waits with all "
        f"of its {len(one.all_ids)} examples"
        + ("" if one.all_ids <= named else ": hold these of it too, and the rest is served")
        for one in others
        if not one.all_ids.isdisjoint(named)
    ]


def named_by(at: Opened, refs: Collection[str]) -> frozenset[str]:
    """Give the examples that open requests name; personal data."""
    named = (one.all_ids for one in open_requests(at).asked if one.ref in refs)
    return frozenset[str]().union(*named)
