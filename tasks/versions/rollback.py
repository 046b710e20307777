"""An earlier version serves again, if nothing that it has seen is or will be erased."""

from __future__ import annotations

from typing import Any

from ledger.replay.lineage import ROLLED_BACK, Release, blemish, marks, origin, releases
from systems.registry import models
from tasks.requests.asked import open_requests
from tasks.running.champion import as_champion, serving
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from tasks.showing.versions import describe_versions
from unlearning.domain import TRAIN
from unlearning.errors import RequestDenied, UsageError


def rollback(at: Opened, number: int, reason: str | None) -> dict[str, Any]:
    """Let an earlier version serve again; RequestDenied with the reason where it must not.

    The log is written first: a crash before the alias has moved is an alarm that says to repeat
    the command, which then goes on.
    """
    made = releases(at.ledger.log.entries())
    if not made:
        raise UsageError("no champion: expected one from `lethe init`; run it first")
    if not _cut_off(at, number, made[-1]):
        _check(at, number, made)
        body = {
            "version": number,
            "sha256": _first(number, made).sha256,
            "parent": made[-1].version,
        }
        key = at.ledger.log.next_key("rollback")
        at.ledger.record(ROLLED_BACK, {**body, "reason": reason}, key=key, now=utc_now())
    parent = releases(at.ledger.log.entries())[-1].parent
    at.ledger.log.require_alone()
    models.promote(at.ws.mlruns, at.params.model.name, number, expected_parent=parent)
    describe_versions(at)
    return {"champion": as_champion(at), "replaced": parent, "reason": reason}


def _cut_off(at: Opened, number: int, last: Release) -> bool:
    """Whether the log has this rollback already and only the alias has not moved."""
    if not last.again or last.version != number:
        return False
    served = models.champion(at.ws.mlruns, at.params.model.name)
    return served is not None and served.version == last.parent


def _first(number: int, made: tuple[Release, ...]) -> Release:
    found = origin(number, made)
    if found is None:
        raise RequestDenied(
            f"version {number}: was never released, expected an earlier champion: no sealed "
            "decision lets it serve; see `lethe list versions`"
        )
    return found


def _check(at: Opened, number: int, made: tuple[Release, ...]) -> None:
    served = serving(at)
    if served is not None and served.version == number:
        raise RequestDenied(f"version {number}: serves already, expected an earlier champion")
    for run, refs in at.ledger.unfinished_runs().items():
        raise RequestDenied(
            f"run {run}: is unfinished and begins from the present champion, expected none: first "
            f"`lethe forget {' '.join(refs)}`, or `lethe abort {run} --reason TEXT`"
        )
    first = _first(number, made)
    models.verified(models.version(at.ws.mlruns, at.params.model.name, number))
    why = blemish(number, made, marks(at.ledger.log.entries())) or _asked_of(at, first)
    if why:
        raise RequestDenied(
            f"version {number}: must not serve again: {why}; expected an earlier champion that saw "
            "nobody who was or is to be forgotten: see `lethe list versions`, or serve the open "
            "requests by a run that ends in retraining"
        )


def _asked_of(at: Opened, version: Release) -> str | None:
    """Say which open requests name what a version has seen; nobody can tell of one that is lost."""
    known = open_requests(at)
    seen = [one.ref for one in known.asked if one.ids[TRAIN] and one.ref not in version.spared]
    refs = [*seen, *(ref for ref in known.lost if ref not in version.spared)]
    return f"it learned from examples that {', '.join(refs)} asks to be erased" if refs else None
