"""The forgotten bytes leave every copy that can be reached, and what remains is listed."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from ledger import sealed
from ledger.domain import DeletionRequest, State
from systems.data import purging
from systems.registry import models
from systems.registry.erasure import erase_version
from systems.registry.models import CHAMPION, ModelVersion
from tasks.attest import attest_completions
from tasks.running.opened import Opened
from tasks.running.parts import bank_plan
from tasks.running.records import utc_now
from tasks.running.run import Run
from tasks.train import forget_trained
from unlearning import networks
from unlearning.bank.shadows import carries_over, without_examples
from unlearning.errors import IntegrityError

TAINTED = "lethe.tainted."
"""Tag of a version, followed by a run: it learned from that run's examples. The value says when."""


def purge_copies(run: Run) -> dict[str, Any]:
    """Remove the replaced shards from cache and remote, and the people's columns from the bank."""
    return run.once("purged", lambda: _purge(run))


def _purge(run: Run) -> dict[str, Any]:
    erased, ws = run.done("erased") or {}, run.at.ws
    copies = [dataclasses.asdict(copy) for copy in purging.purge(ws, erased["replaced"])]
    copies += _purge_bank(run)
    forget_trained(run.at)
    found = purging.holds(ws, run.all_ids(), erased.get("shards"))
    if found:
        raise IntegrityError(
            f"erasure: {len(found)} places still hold forgotten bytes, first {found[0].where}; "
            "expected none; free the place and run it again"
        )
    _taint_versions(run)
    return {"copies": copies}


def _purge_bank(run: Run) -> list[dict[str, str]]:
    """Carry every bank over to the new data version without the erased columns, then remove it."""
    ws, erased = run.at.ws, np.array(run.all_ids())
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
    """Grace begins when the first request tainted the version, and ends at the first deadline."""
    dates = {k.removeprefix(TAINTED): v for k, v in old.tags.items() if k.startswith(TAINTED)}
    grace = timedelta(days=at.params.model.grace_days)
    return min(
        [
            min(map(datetime.fromisoformat, dates.values())) + grace,
            *(request.due_at for request in _purging(at) if request.run in dates),
        ]
    )


def _purging(at: Opened) -> list[DeletionRequest]:
    return [r for r in at.ledger.requests(None, utc_now()) if r.state is State.PURGING]


def finish_linked(at: Opened, refs: Sequence[str]) -> list[dict[str, str]]:
    """Complete requests that go with runs of others, but for runs that are not at their end."""
    unfinished = at.ledger.unfinished_runs()
    return finish_purging(at, [r for r in refs if at.ledger.request(r).run not in unfinished])


def finish_purging(at: Opened, refs: Sequence[str]) -> list[dict[str, str]]:
    """Erase the versions whose days of grace are over, and complete the requests that have none.

    With a request those of the same run go, since the same copies keep them. Gives the copies that
    remain. A request stays `purging` as long as there is one.
    """
    now = utc_now()
    left: list[dict[str, str]] = []
    runs = {at.ledger.request(ref).run for ref in refs} - {None}
    refs = sorted({*refs, *(request.ref for request in _purging(at) if request.run in runs)})
    for old in _tainted(at, TAINTED):
        if _kept_until(at, old) <= now:
            erase_version(at.ws.mlruns, at.params.model.name, old.version)
    for ref in refs:
        kept = remaining(at, at.ledger.request(ref), now)
        left += [copy for copy in kept if copy not in left]
        if not kept:
            at.ledger.move(ref, State.COMPLETE, now=now, key=f"{ref}/complete")
            sealed.shred(at.ws.keys, ref)
    attest_completions(at)
    return left
