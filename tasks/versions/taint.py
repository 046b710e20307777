"""A version is marked as one that must never serve or be built upon."""

from __future__ import annotations

from typing import Any

from ledger.replay.lineage import TAINTED, marked, marks, releases, taints, weighs_as
from systems.registry import models
from tasks.running.champion import TAINTED as TAG
from tasks.running.champion import serving, standing
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from tasks.showing.versions import describe_versions
from tasks.versions.descent import family
from unlearning.errors import IntegrityError


def taint(at: Opened, number: int, reason: str | None) -> dict[str, Any]:
    """Mark a version, in the log and for whoever reads MLflow; done again it changes nothing.

    problem: the alarm and what to do, where the champion must not serve any more.
    """
    mlruns, name = at.ws.mlruns, at.params.model.name
    found = models.version(mlruns, name, number)
    if number not in marks(at.ledger.log.entries()):
        body = {"version": number, "sha256": found.sha256, "reason": reason}
        at.ledger.record(TAINTED, body, key=f"version/{number}/tainted", now=utc_now())
    known = marks(at.ledger.log.entries())
    models.set_tags(mlruns, name, number, {f"{TAG}marked": known[number].at})
    describe_versions(at)
    below = _below(at, number)
    served, problem = serving(at), _alarm(at)
    return {
        "version": number,
        "tainted": True,
        "by": tainted_by(at, number, found.sha256),
        "reason": known[number].reason,
        **({"descendants": below} if below else {}),
        "champion": None if served is None else served.version,
        **({"problem": problem} if problem else {}),
    }


def tainted_by(at: Opened, version: int, sha256: str) -> list[str]:
    """Give what taints a version: runs, and the mark on it or on what it was built upon.

    sha256: of its weights; what taints the version that has these taints it too.
    """
    entries = at.ledger.log.entries()
    made = releases(entries)
    number = weighs_as(version, {sha256}, made) or version
    found = marked(number, made, marks(entries))
    runs = [str(release.run) for release in taints(number, made)]
    return runs + ([] if found is None else [f"version/{found}/tainted"])


def _below(at: Opened, number: int) -> list[dict[str, Any]]:
    """List the versions of any name that descend from one; Lethe can only name them."""
    made = releases(at.ledger.log.entries())
    listed = family(at, made).as_listed(made)
    return [one for one in listed if number in one["descends_from"]]


def _alarm(at: Opened) -> str | None:
    try:
        standing(at)
    except IntegrityError as problem:
        return str(problem)
    return None
