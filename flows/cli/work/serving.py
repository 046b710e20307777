"""The commands that serve requests: each opens the workspace under its lock and calls a flow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.cli.work.opening import looking, ready, working
from ledger.domain import State
from tasks import adopt as adopting
from tasks.running.records import as_record
from unlearning.errors import UsageError


def plan(path: Path, requests: Sequence[str]) -> dict[str, Any]:
    """Say what serving requests would touch and cost; without the lock, nothing is changed."""
    with looking(path) as at:
        from tasks.planning.plan import plan_of
        from tasks.requests.choose import consider
        from tasks.requests.waiting import chosen

        refs = chosen(at.ledger, requests, everything=not requests)
        used = adopting.standing(at.ledger, at.ws.policy)
        params = adopting.standing(at.ledger, at.ws.params, adopting.PARAMS)
        found = consider(at, refs)
        if not requests and at.ledger.unfinished_run(refs) is None and found.refs:
            refs = list(found.refs)
        told = {"policy": used, "params": params, "left": found.left}
        return {**plan_of(at, refs, at.ws.policy), **told}


def forget(
    path: Path, requests: Sequence[str], everything: bool, policy: Path | None, method: str | None
) -> dict[str, Any]:
    """Run the flow over requests; over those that a killed run holds, it goes on with that run."""
    with ready(path) as at:
        from flows.served import served

        return served(at, requests, everything=everything, policy=policy, method=method)


def abort(path: Path, run: str, reason: str) -> dict[str, Any]:
    """Give the requests of an unfinished run back."""
    from tasks.abort import abort as abort_run

    with working(path, restoring=True) as at:
        return abort_run(at, run, reason)


@dataclass(frozen=True)
class Word:
    """What an operator confirms: a copy that cannot be verified, or its place, and how he knows."""

    copy: str
    reason: str


def purge(path: Path, request: str | None, word: Word | None = None) -> dict[str, Any]:
    """Go on with the purging of a request, or of all that are at it."""
    with ready(path) as at:
        from tasks.confirm import confirm
        from tasks.connectors.asking import at_once
        from tasks.erasing.serving import serving_runs
        from tasks.keeping.purging import purge_due
        from tasks.purge import finish_purging
        from tasks.witness import bring_up_to_date

        if request is None:
            return purge_due(at)
        found = at.ledger.request(request)
        if found.state not in (State.PURGING, State.COMPLETE):
            raise UsageError(f"request {request}: is {found.state}, expected purging; forget first")
        unfinished, runs = at.ledger.unfinished_runs(), serving_runs(at, [request])[request]
        for run, held in ((run, unfinished[run]) for run in runs if run in unfinished):
            raise UsageError(
                f"request {request}: its run {run} was cut off and may not have erased "
                f"anything yet, expected one that came to its end: go on with it: "
                f"`lethe forget {' '.join(held)}`"
            )
        if word:
            confirm(at, request, word.copy, word.reason)
        for run in runs:
            at_once(at, run)
        # One that is complete may have been cut off before its key went and its end was attested.
        copies = finish_purging(at, [request] if found.state is State.PURGING else [])
        bring_up_to_date(at)
        return {**as_record(at.ledger.request(request)), "copies": copies}
