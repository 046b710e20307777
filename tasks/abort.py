"""Leaving a run: its requests wait again, its candidates go, the champion stays as it is (I8)."""

from __future__ import annotations

from typing import Any

from ledger import suppression
from ledger.domain import State, require_reason
from ledger.replay.lineage import PROMOTED
from ledger.replay.statements import ABORTED
from systems.registry import models
from systems.registry.models import ModelVersion
from tasks.promote import discard_candidate
from tasks.running.champion import sealed_champion
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from tasks.running.run import Run, close
from tasks.running.standing import told
from unlearning.errors import RequestDenied


def abort(at: Opened, ref: str, reason: str) -> dict[str, Any]:
    """Give the requests of an unfinished run back and end it, so that nothing of it remains.

    Raises RequestDenied for a run that is over, or that has released or erased something: such a
    one can only go on, unless nobody can tell any more what it is to erase.
    reason: for the log, so it names nobody. Done again, it goes on.
    """
    require_reason(reason, "why the run is given up: it is logged")
    run = Run(at, ref)
    if run.requests and ref not in at.ledger.unfinished_runs():
        raise RequestDenied(f"run {ref}: is over, expected one that is not: nothing to abort")
    run.once(ABORTED, lambda: _reason(run, reason))
    finish_abort(run)
    entry = at.ledger.log.find(f"{ref}/{ABORTED}")
    return {
        "run": ref,
        "requests": list(run.requests),
        "reason": (run.done(ABORTED) or {})["reason"],
        "aborted_at": None if entry is None else entry.at,
        "states": {request: str(at.ledger.request(request).state) for request in run.requests},
    }


def leave_outdated(at: Opened) -> None:
    """End each unfinished run whose parent serves no more, and give its requests back.

    None of them could release anything, and their candidates learned from whom a release since
    then erases.
    """
    champion = sealed_champion(at)
    why = f"version {champion.version} was released since, expected the champion that it began from"
    for ref in at.ledger.unfinished_runs():
        if _outdated(Run(at, ref), champion):
            abort(at, ref, why)


def _outdated(run: Run, champion: ModelVersion) -> bool:
    begun = run.done("begun")
    if begun is None or _has_acted(run) or champion.tags.get(models.RUN) == run.ref:
        return False
    return bool(begun["parent"] != champion.version)


def _reason(run: Run, reason: str) -> dict[str, Any]:
    _check_free_to_go(run)
    return {"reason": reason}


def _check_free_to_go(run: Run) -> None:
    onward = f"go on with it: `lethe forget {' '.join(run.requests)}`"
    if _is_lost(run):
        return
    if _has_acted(run):
        raise RequestDenied(f"run {run.ref}: has released or erased something, {onward}")
    candidate = (run.done("decided") or {}).get("candidate")
    champion = models.champion(run.at.ws.mlruns, run.at.params.model.name)
    if candidate and champion and champion.sha256 == candidate:
        raise RequestDenied(f"run {run.ref}: its candidate is the champion already, {onward}")


def _has_acted(run: Run) -> bool:
    """Whether a run has released or erased something."""
    states = {run.at.ledger.request(ref).state for ref in run.requests}
    return bool(states & {State.PURGING, State.COMPLETE}) or run.done(PROMOTED) is not None


def _is_lost(run: Run) -> bool:
    """Whether a key is lost before the run could list what it erases: it can never go on.

    Then its release stands, and it is left so that others are served.
    """
    if run.done("suppressed") or not any(map(run.at.ledger.lost, run.requests)):
        return False
    records, last = run.at.ws.records, told(run.at.ledger).suppressed
    listed = suppression.digest(records) if (records / suppression.FILE).exists() else None
    return run.done(PROMOTED) is not None and listed == last


def finish_abort(run: Run) -> None:
    """Do what an aborted run has left to do; done again it changes nothing."""
    if run.done(PROMOTED) is None:  # else it serves
        discard_candidate(run)
    reason = (run.done(ABORTED) or {})["reason"]
    for ref in run.requests:
        if run.at.ledger.request(ref).state is not State.ACCEPTED:
            key = f"{run.ref}/{ref}/{State.ACCEPTED}-{ABORTED}"
            run.at.ledger.move(ref, State.ACCEPTED, now=utc_now(), reason=reason, key=key)
    close(run)
