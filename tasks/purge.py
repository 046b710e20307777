"""The forgotten bytes leave every copy that can be reached, and what remains is listed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np

from ledger import durable, sealed
from ledger.domain import DeletionRequest, State
from ledger.replay.purged import HARD_LINKED, name_of
from systems.copies import Copy, Status, as_records
from systems.data import decoded, purging
from systems.data.linked import WHY, has_other_names
from systems.registry import models
from systems.registry.erasure import (
    REGISTRY,
    SERVER,
    copies,
    erase_version,
    unverifiable,
    weights_of,
)
from systems.registry.models import CHAMPION
from tasks.abort import leave_outdated
from tasks.attest import attest_completions, tell_upgrades
from tasks.backups.destroying import residual
from tasks.confirm import unverified
from tasks.connectors.asking import ask_again, ask_all, open_lines
from tasks.connectors.owing import forget_demands
from tasks.erase import columns_of
from tasks.generated.kept import models_kept
from tasks.running import bases
from tasks.running.champion import TAINTED, put_back, sealed_champion
from tasks.running.grace import kept_until, purging_requests
from tasks.running.growth import since_import
from tasks.running.lineage import PROMOTED, Release, releases, taints
from tasks.running.opened import Opened
from tasks.running.parts import bank_plan
from tasks.running.records import utc_now
from tasks.running.run import Run
from tasks.running.vouching import named, vouch
from tasks.train import forget_trained
from tasks.versions.descent import note_descendants
from tasks.versions.held import Held, held
from unlearning import networks
from unlearning.bank.files import read_index
from unlearning.bank.shadows import carries_over, without_examples
from unlearning.counting import numbered
from unlearning.errors import InfrastructureError, IntegrityError


def purge_copies(run: Run) -> dict[str, Any]:
    """Remove the replaced shards from cache and remote, and the people's columns from the bank."""
    return run.once("purged", lambda: _purge(run))


def _purge(run: Run) -> dict[str, Any]:
    erased, ws = run.done("erased") or {}, run.at.ws
    found = purging.purge(ws, erased["replaced"])
    _refuse_remaining(found)
    run.at.ledger.log.require_alone()  # a remote may have taken its time
    found += [*decoded.purge(ws), *_purge_bank(run), *_purge_bases(run), *residual(run.at)]
    if run.done(PROMOTED):
        leave_outdated(run.at)
    if run.at.params.generator is not None:
        found += models_kept(run.at, Status.REMOVED)
    forget_trained(run.at)
    ours = run.erases()
    held = purging.copies_with(ws, lambda ids: any(map(ours, ids)), erased.get("shards"))
    if held:
        raise IntegrityError(
            f"erasure: {len(held)} places still hold forgotten bytes, first {held[0].where}; "
            "expected none; free the place and run it again"
        )
    _tag_tainted(run)
    found += ask_all(run)
    return {"copies": _with_linked(run, as_records(found))}


def _with_linked(run: Run, rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Say of what had other names on the disk that its removal cannot be verified."""
    seen = {name_of(row): row for row in (run.done(HARD_LINKED) or {}).get("copies", ())}
    told = [seen.pop(name_of(row), row) for row in rows]
    return told + [
        row for row in seen.values() if row["where"] in ("workspace", "shadow bank", bases.WHERE)
    ]


def _refuse_remaining(found: Sequence[Copy]) -> None:
    left = [copy for copy in found if copy.status is Status.REMAINS]
    if left:
        several = numbered(len(found), "copy", "copies")
        raise InfrastructureError(
            f"erasure: {len(left)} of {several} not erased, first {left[0].what} in "
            f"{left[0].where} ({left[0].why}), expected none; free the place and run it again"
        )


def _purge_bank(run: Run) -> list[Copy]:
    """Carry every bank over to the new data version without the erased columns, then remove it."""
    ws, ours = run.at.ws, run.erases()
    if not ws.bank.is_dir():
        return []
    plan = bank_plan(run.at, networks.load(sealed_champion(run.at).weights).recipe)
    gone, whole = [], since_import(run.at.ledger.log.entries())
    for folder in sorted(path for path in ws.bank.iterdir() if path.is_dir()):
        if folder.name == plan.key:
            continue
        if carries_over(folder, plan, whole):
            named(run.at, folder)
            erased = np.array([*filter(ours, read_index(folder)["ids"])], dtype=np.str_)
            without_examples(folder, erased, plan, ws.bank, partial(vouch, run.at))
        durable.remove_folder(folder, within=ws.bank)
        gone.append(Copy("shadow bank", columns_of(folder.name), Status.REMOVED))
    return gone


def _purge_bases(run: Run) -> list[Copy]:
    """Remove the bases that may have learned from the erased; all, where nobody said who was in."""
    known = (run.done("extracted") or {}).get("lineage")
    for base in bases.standing(run.at):
        if known is None or base.saw({ref: known["shards"][ref] for ref in run.requests}):
            bases.remove(run.at, base, run.ref)
    bases.sweep(run.at)
    return bases.removed_by(run.at, run.ref)


def _tag_tainted(run: Run) -> None:
    """Mark the versions from before the release, for whoever reads MLflow (I6)."""
    mlruns, name = run.at.ws.mlruns, run.at.params.model.name
    entry = run.at.ledger.log.find(f"{run.ref}/{PROMOTED}")
    if entry is None:
        return
    made = releases(run.at.ledger.log.entries())
    for old in held(run.at, made):
        if _taints(run.ref, old, made):
            models.set_tags(mlruns, name, old.version, {f"{TAINTED}{run.ref}": entry.at})


def remaining(at: Opened, request: DeletionRequest, now: datetime) -> list[Copy]:
    """List what is left of a request: versions that learned from its examples, and stray copies.

    A version is kept until its days of grace are over. A copy in a place that cannot be asked for
    older versions is listed as long as nobody looked there.
    """
    made = releases(at.ledger.log.entries())
    learned = [old for old in held(at, made) if _taints(request.run, old, made)]
    kept = [_kept(at, old, made, now) for old in learned]
    elsewhere = [*open_lines(at, request.run), *unverified(at, request)]
    return [*kept, *_strays(at, learned, made, request.run), *elsewhere]


def _taints(run: str | None, old: Held, made: Sequence[Release]) -> bool:
    """Whether a run's release taints a version; none does of a run that released nothing."""
    return any(release.run == run for release in old.tainted_by(made))


def _kept(at: Opened, old: Held, made: Sequence[Release], now: datetime) -> Copy:
    what = f"{old.words}, which learned from the examples"
    if old.stays is not None:
        return Copy(REGISTRY, what, Status.REMAINS, old.stays)
    until = kept_until(at, old.of or old.version, made)
    if until <= now:
        return Copy(REGISTRY, what, Status.REMAINS, "due: run `lethe purge`")
    return Copy(REGISTRY, what, Status.KEPT, until=until.date().isoformat())


def _strays(
    at: Opened, told: Sequence[Held], made: Sequence[Release], run: str | None
) -> list[Copy]:
    """Look for the weights of tainted versions in files that are not told of with these."""
    by = {
        release.version: any(r.run == run for r in taints(release.version, made))
        for release in made
    }
    clean = {release.sha256 for release in made if not by[release.version]}
    digests = {release.sha256 for release in made if by[release.version]} - clean
    apart = [path for old in told for path in old.files]
    return copies(at.ws.mlruns, digests, apart=apart) if digests else []


def finish_linked(at: Opened, refs: Sequence[str]) -> list[dict[str, str]]:
    """Complete requests that go with runs of others, but for runs that are not at their end."""
    unfinished = at.ledger.unfinished_runs()
    return finish_purging(at, [r for r in refs if at.ledger.request(r).run not in unfinished])


def finish_purging(at: Opened, refs: Sequence[str]) -> list[dict[str, str]]:
    """Erase the versions whose days of grace are over, and complete the requests that have none.

    With a request those of the same run go, since the same copies keep them. Gives the copies that
    went and those that remain; a request stays `purging` while one does.
    """
    now = utc_now()
    runs = {run for ref in refs if (run := at.ledger.request(ref).run)}
    refs = sorted(
        {*refs, *(request.ref for request in purging_requests(at) if request.run in runs)}
    )
    found = _erase_due(at, now)
    ask_again(at, runs, now)
    note_descendants(at, runs)
    for ref in refs:
        left = remaining(at, at.ledger.request(ref), now)
        found += [copy for copy in left if copy not in found]
        if all(copy.status is Status.CONFIRMED for copy in left):
            at.ledger.move(ref, State.COMPLETE, now=now, key=f"{ref}/complete")
    _shred_complete(at)
    attest_completions(at)
    tell_upgrades(at)
    return as_records(found)


def _shred_complete(at: Opened) -> None:
    """Destroy the keys of all that is complete, also where a crash came before it was done."""
    for request in at.ledger.requests(None, utc_now()):
        if request.state is State.COMPLETE:
            at.ledger.log.require_alone()
            sealed.shred(at.ws.keys, request.ref)
    forget_demands(at)


def _erase_due(at: Opened, now: datetime) -> list[Copy]:
    """Erase every tainted version that is kept no longer; what remains of it is listed later."""
    made = releases(at.ledger.log.entries())
    mlruns, name = at.ws.mlruns, at.params.model.name
    gone: list[Copy] = []
    for old in held(at, made):
        due = old.tainted_by(made) and kept_until(at, old.of or old.version, made) <= now
        if due and old.stays is None:
            at.ledger.log.require_alone()
            _put_out_of_service(at, old, made[-1])
            _note_unverifiable(at, old, made)
            gone += [copy for copy in erase_version(mlruns, name, old.version) if copy.gone]
    return gone


def _note_unverifiable(at: Opened, old: Held, made: Sequence[Release]) -> None:
    """Note before a version goes what nobody will be able to see gone.

    Its weights may have another name on the disk, and the store of a server older versions.
    """
    what, away = weights_of(old.version), unverifiable(at.ws.mlruns, old.model_id)
    linked = any(map(has_other_names, old.files))
    found = [Copy(REGISTRY, what, Status.UNVERIFIED, WHY)] if linked else []
    if away:
        found.append(Copy(SERVER, what, Status.UNVERIFIED, away))
    if found:
        runs = [release.run for release in old.tainted_by(made)]
        key = f"version/{old.version}/{HARD_LINKED}"
        body = {"runs": runs, "copies": as_records(found)}
        at.ledger.record(HARD_LINKED, body, key=key, now=utc_now())


def _put_out_of_service(at: Opened, old: Held, last: Release) -> None:
    """Give the alias back to the log's last release if somebody put it on a tainted version.

    Such a version must not serve, and goes on time; the log tells that it had served.
    """
    if CHAMPION not in old.aliases:
        return
    put_back(at, last, old.version)
