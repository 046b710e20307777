"""The commands that serve requests: each opens the workspace under its lock and calls a flow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.cli.work.opening import looking, ready, working
from ledger.domain import State
from ledger.replay.approvals import awaiting, refused_by
from ledger.requests import Ledger
from tasks import adopt as adopting
from tasks.running.opened import Opened, opened
from tasks.running.records import as_record, utc_now
from unlearning.errors import RequestDenied, UsageError


def plan(path: Path, requests: Sequence[str]) -> dict[str, Any]:
    """Say what serving requests would touch and cost; without the lock, nothing is changed."""
    with looking(path) as at:
        from tasks.plan import plan_of
        from tasks.requests.choose import consider

        refs = _chosen(at.ledger, requests, everything=not requests)
        used = adopting.standing(at.ledger, at.ws.policy)
        found = consider(at, refs)
        if not requests and at.ledger.unfinished_run(refs) is None and found.refs:
            refs = list(found.refs)
        return {**plan_of(at, refs, at.ws.policy), "policy": used, "left": found.left}


def forget(
    path: Path, requests: Sequence[str], everything: bool, policy: Path | None, method: str | None
) -> dict[str, Any]:
    """Run the flow over requests; over those that a killed run holds, it goes on with that run."""
    with ready(path) as at:
        return served(at, requests, everything=everything, policy=policy, method=method)


def served(
    at: Opened,
    requests: Sequence[str],
    *,
    everything: bool,
    policy: Path | None = None,
    method: str | None = None,
    within: bool = False,
) -> dict[str, Any]:
    """Serve requests of a workspace that is held, or everything that waits.

    within: a flow that is under way, whose steps these are; else it is a flow run of its own.
    """
    refs = _chosen(at.ledger, requests, everything=everything)
    from flows.forget import forget as forget_flow

    work = forget_flow.fn if within else forget_flow
    chosen = str((policy or at.ws.policy).resolve())
    _finish_others(at, refs, lambda others: work(at.root, others, chosen, None))
    refs, left = _servable(at, refs) if everything else (refs, [])
    found: dict[str, Any] = work(at.root, refs, chosen, method)
    return {**found, "left": left}


def _servable(at: Opened, refs: list[str]) -> tuple[list[str], list[dict[str, str]]]:
    """Leave out who cannot be served in this run, each with its reason; a run goes on as it was."""
    from tasks.claim import link_erased
    from tasks.requests.choose import choose

    if at.ledger.unfinished_run(refs) is not None:
        return refs, []
    waiting = link_erased(at.root, refs)
    if not waiting:
        return refs, []
    answered = _refused(at, waiting)
    asked = [ref for ref in waiting if ref not in answered]
    if not asked:
        raise RequestDenied(next(iter(answered.values())))
    found = choose(opened(at.root), asked)
    left = [{"request": r, "state": "accepted", "why": why} for r, why in answered.items()]
    return list(found.refs) or refs, found.left + left  # none: others served them meanwhile


def _refused(at: Opened, refs: Sequence[str]) -> dict[str, str]:
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


def abort(path: Path, run: str, reason: str) -> dict[str, Any]:
    """Give the requests of an unfinished run back."""
    from tasks.abort import abort as abort_run

    with working(path) as at:
        return abort_run(at, run, reason)


def _finish_others(at: Opened, refs: Sequence[str], work: Callable[[list[str]], object]) -> None:
    """Bring what was released and cut off to its end first: its people are not learned from."""
    from tasks.claim import cut_off

    for others in cut_off(at):
        if set(others) != set(refs):
            work(sorted(others))


def _chosen(ledger: Ledger, requests: Sequence[str], *, everything: bool) -> list[str]:
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


@dataclass(frozen=True)
class Word:
    """What an operator confirms: a copy that cannot be verified, or its place, and how he knows."""

    copy: str
    reason: str


def purge(path: Path, request: str | None, word: Word | None = None) -> dict[str, Any]:
    """Go on with the purging of a request, or of all that are at it."""
    with ready(path) as at:
        from tasks.confirm import confirm
        from tasks.keeping.purging import purge_due
        from tasks.purge import finish_purging
        from tasks.witness import bring_up_to_date

        if request is None:
            return purge_due(at)
        found = at.ledger.request(request)
        if found.state not in (State.PURGING, State.COMPLETE):
            raise UsageError(f"request {request}: is {found.state}, expected purging; forget first")
        if held := at.ledger.unfinished_runs().get(found.run or ""):
            raise UsageError(
                f"request {request}: its run {found.run} was cut off and may not have erased "
                f"anything yet, expected one that came to its end: go on with it: "
                f"`lethe forget {' '.join(held)}`"
            )
        if word:
            confirm(at, request, word.copy, word.reason)
        copies = finish_purging(at, [request]) if found.state is State.PURGING else []
        bring_up_to_date(at)
        return {**as_record(at.ledger.request(request)), "copies": copies}
