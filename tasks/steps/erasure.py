"""The forgotten bytes leave every copy that can be reached, and what remains is listed."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from ledger import sealed, suppression
from ledger.requests import DeletionRequest, State
from tasks import datasets, models
from tasks.model_erasure import erase_version
from tasks.models import CHAMPION, ModelVersion
from tasks.steps.originals import forget_trained
from tasks.steps.records import utc_now
from tasks.steps.running import Opened, Run
from tasks.steps.workdata import bank_plan
from unlearning import networks
from unlearning.errors import IntegrityError
from unlearning.shadows import carries_over, without_examples

TAINTED = "lethe.tainted."
"""Tag of a version, followed by a run: it learned from that run's examples. The value says when."""


def all_ids(run: Run) -> list[str]:
    """Give every id to erase, of all splits."""
    return sorted(found for part in run.forget_ids().values() for found in part)


def suppress(run: Run) -> dict[str, Any]:
    """List the examples so that they are never taken in again, before they are gone (I7)."""
    run.move(State.PURGING)
    return run.once("suppressed", lambda: _suppress(run))


def _suppress(run: Run) -> dict[str, Any]:
    ws = run.at.ws
    added = suppression.add(ws.records, ws.keys, datasets.image_digests(ws, all_ids(run)))
    return {"added": added}


def erase(run: Run) -> dict[str, Any]:
    """Rewrite the shards without the examples and push the new data version."""
    return run.once("erased", lambda: _erase(run))


def _erase(run: Run) -> dict[str, Any]:
    erasure = datasets.erase(run.at.ws, all_ids(run))
    return {
        "old_version": erasure.old_version,
        "new_version": erasure.new_version,
        "replaced": list(erasure.replaced),
    }


def purge(run: Run) -> dict[str, Any]:
    """Remove the replaced shards from cache and remote, and the people's columns from the bank."""
    return run.once("purged", lambda: _purge(run))


def _purge(run: Run) -> dict[str, Any]:
    erased, ws = run.done("erased") or {}, run.at.ws
    copies = [dataclasses.asdict(copy) for copy in datasets.purge(ws, erased["replaced"])]
    copies += _purge_bank(run)
    forget_trained(run.at)
    found = datasets.holds(ws, all_ids(run))
    if found:
        raise IntegrityError(
            f"erasure: {len(found)} places still hold forgotten bytes, first {found[0].where}; "
            "expected none; free the place and run it again"
        )
    _taint_versions(run)
    return {"copies": copies}


def _purge_bank(run: Run) -> list[dict[str, str]]:
    """Carry every bank over to the new data version without the erased columns, then remove it."""
    ws, erased = run.at.ws, np.array(all_ids(run))
    champion = models.champion(ws.mlruns, run.at.params.model.name)
    if champion is None or not ws.bank.is_dir():
        return []
    plan = bank_plan(run.at, networks.load(champion.weights).recipe)
    copies = []
    for folder in sorted(path for path in ws.bank.iterdir() if path.is_dir()):
        if folder.name == plan.key:
            continue
        if carries_over(folder, plan):
            without_examples(folder, erased, plan, ws.bank)
        shutil.rmtree(folder)
        what = "the erased people's columns"
        copies.append({"where": f"shadow bank {folder.name}", "what": what, "status": "removed"})
    return copies


def _taint_versions(run: Run) -> None:
    """Mark the versions from before the release: they learned from the examples (I6)."""
    mlruns, name = run.at.ws.mlruns, run.at.params.model.name
    entry = run.at.ledger.log.find(f"{run.ref}/promoted")
    if entry is None:
        return
    for old in models.versions(mlruns, name):
        if CHAMPION not in old.aliases:
            models.set_tags(mlruns, name, old.version, {f"{TAINTED}{run.ref}": entry.at})


def remaining(at: Opened, request: DeletionRequest, now: datetime) -> list[dict[str, str]]:
    """List the versions that learned from a request's examples, with the day on which they go."""
    kept = []
    for old in _tainted(at, f"{TAINTED}{request.run}"):
        until = _kept_until(at, old)
        due = "due now" if until <= now else f"kept until {until.date().isoformat()}"
        what = f"weights of version {old.version}, which learned from the examples"
        kept.append({"where": "model registry", "what": what, "status": due})
    return kept


def _tainted(at: Opened, tag: str) -> Sequence[ModelVersion]:
    found = models.versions(at.ws.mlruns, at.params.model.name)
    return [old for old in found if any(key.startswith(tag) for key in old.tags)]


def _kept_until(at: Opened, old: ModelVersion) -> datetime:
    """Grace begins when the first request tainted the version."""
    dates = [value for key, value in old.tags.items() if key.startswith(TAINTED)]
    return min(map(datetime.fromisoformat, dates)) + timedelta(days=at.params.model.grace_days)


def finish_purging(at: Opened, refs: Sequence[str]) -> list[dict[str, str]]:
    """Erase the versions whose days of grace are over, and complete the requests that have none.

    Gives the copies that remain. A request stays `purging` as long as there is one.
    """
    now = utc_now()
    left: list[dict[str, str]] = []
    for old in _tainted(at, TAINTED):
        if _kept_until(at, old) <= now:
            erase_version(at.ws.mlruns, at.params.model.name, old.version)
    for ref in refs:
        kept = remaining(at, at.ledger.request(ref), now)
        left += [copy for copy in kept if copy not in left]
        if not kept:
            at.ledger.move(ref, State.COMPLETE, now=now, key=f"{ref}/complete")
            sealed.shred(at.ws.keys, ref)
    return left
