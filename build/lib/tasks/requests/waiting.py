"""Which requests a run is to serve: those that are named, or what waits."""

from __future__ import annotations

from collections.abc import Sequence

from ledger.domain import State
from ledger.replay.approvals import awaiting, refused_by
from ledger.requests import Ledger
from tasks.requests.choose import choose
from tasks.running.opened import Opened, opened
from tasks.running.records import utc_now
from unlearning.errors import RequestDenied, UsageError


def chosen(ledger: Ledger, requests: Sequence[str], *, everything: bool) -> list[str]:
    """Give the requests that a command or a deployment means: those named, or what is to go on.

    UsageError for names with everything, for neither, and where nothing waits.
    """
    if bool(requests) == everything:
        raise UsageError("got no requests, or requests and --all; expected references, or --all")
    if requests:
        return sorted(set(requests))
    entries, waiting = ledger.log.entries(), list[str]()
    for run, held in ledger.unfinished_runs().items():
        if awaiting(entries, run) is None:
            return sorted(held)  # first things first: go on with the run that was cut off
        waiting = waiting or sorted(held)
    accepted = [r.ref for r in ledger.requests(None, utc_now()) if r.state is State.ACCEPTED]
    if not accepted and not waiting:
        raise UsageError("no request is accepted and waiting; see `lethe list requests`")
    return accepted or waiting  # who waits for a person holds up nobody


def servable(at: Opened, refs: list[str]) -> tuple[list[str], list[dict[str, str]]]:
    """Leave out who cannot be served in this run, each with its reason; a run goes on as it was."""
    from tasks.claim import link_erased  # torch, before which a wrong call is to end

    if at.ledger.unfinished_run(refs) is not None:
        return refs, []
    waiting = link_erased(at.root, refs)
    if not waiting:
        return refs, []
    answered = refused(at, waiting)
    asked = [ref for ref in waiting if ref not in answered]
    if not asked:
        raise RequestDenied(next(iter(answered.values())))
    found = choose(opened(at.root), asked)
    left = [{"request": r, "state": "accepted", "why": why} for r, why in answered.items()]
    return list(found.refs) or refs, found.left + left  # none: others served them meanwhile


def refused(at: Opened, refs: Sequence[str]) -> dict[str, str]:
    """Those whose release a person refused: the same is not asked again unless one of them is."""
    entries, found = at.ledger.log.entries(), dict[str, str]()
    for ref in refs:
        said = refused_by(entries, at.ledger.request(ref).run)
        if said is not None:
            found[ref] = (
                f"request {ref}: {said.reviewer} refused its release, expected a new decision: "
                f"`lethe forget {ref}` asks again, `lethe deny {ref}` ends it"
            )
    return found
