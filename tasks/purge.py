"""The forgotten bytes leave every copy that can be reached, and what remains is listed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from ledger import sealed
from ledger.domain import State
from ledger.evidence import COMPLETION
from ledger.replay.lineage import PROMOTED, Release, releases, taints, weights_to_go
from ledger.replay.purged import (
    AFTER_A_LOOK,
    ERASED_VERSION,
    HARD_LINKED,
    erased_versions,
    name_of,
)
from systems.copies import Copy, Status, as_records
from systems.data import purging
from systems.data.linked import WHY, has_other_names
from systems.data.remote.elsewhere import purge_elsewhere
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
from tasks.erasing.again import elsewhere_again, look_again, replaced, unasked
from tasks.erasing.derived import BANK, purge_derived
from tasks.erasing.serving import serving_runs
from tasks.running import bases
from tasks.running.champion import TAINTED, put_back
from tasks.running.grace import kept_until, purging_requests
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from tasks.running.run import Run
from tasks.running.trained import FOLDER
from tasks.versions.descent import note_descendants
from tasks.versions.held import Held, held
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
    found += [one.copy for one in purge_elsewhere(ws, replaced(run.at))]
    found += residual(run.at)
    if run.done(PROMOTED):
        leave_outdated(run.at)
    derived = purge_derived(run)
    _refuse_remaining(derived)
    ours = run.erases()
    held = purging.copies_with(ws, lambda ids: any(map(ours, ids)), erased.get("shards"))
    if held:
        raise IntegrityError(
            f"erasure: {len(held)} places still hold forgotten bytes, first {held[0].where}; "
            "expected none; free the place and run it again"
        )
    _tag_tainted(run)
    found += [*derived, *ask_all(run)]
    return {"copies": _with_linked(run, as_records(found)), COMPLETION: AFTER_A_LOOK}


def _with_linked(run: Run, rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Say of what had other names on the disk that its removal cannot be verified."""
    seen = {name_of(row): row for row in (run.done(HARD_LINKED) or {}).get("copies", ())}
    told = [seen.pop(name_of(row), row) for row in rows]
    return told + [
        row for row in seen.values() if row["where"] in ("workspace", BANK, FOLDER, bases.WHERE)
    ]


def _refuse_remaining(found: Sequence[Copy]) -> None:
    left = [copy for copy in found if copy.status is Status.REMAINS]
    if left:
        several = numbered(len(found), "copy", "copies")
        raise InfrastructureError(
            f"erasure: {len(left)} of {several} not erased, first {left[0].what} in "
            f"{left[0].where} ({left[0].why}), expected none; free the place and run it again"
        )


def _tag_tainted(run: Run) -> None:
    """Mark the versions from before the release, for whoever reads MLflow (I6)."""
    mlruns, name = run.at.ws.mlruns, run.at.params.model.name
    entry = run.at.ledger.log.find(f"{run.ref}/{PROMOTED}")
    if entry is None:
        return
    made = releases(run.at.ledger.log.entries())
    for old in held(run.at, made):
        if _taints([run.ref], old, made):
            models.set_tags(mlruns, name, old.version, {f"{TAINTED}{run.ref}": entry.at})


def remaining(at: Opened, runs: Collection[str], now: datetime) -> list[Copy]:
    """List what is left of what some runs erased: versions that learned from it, and stray copies.

    A version is kept until its days of grace are over. A copy in a place that cannot be asked for
    older versions is listed as long as nobody looked there.
    """
    made = releases(at.ledger.log.entries())
    learned = [old for old in held(at, made) if _taints(runs, old, made)]
    kept = [_kept(at, old, made, now) for old in learned]
    outside = (copy for run in runs for copy in (*open_lines(at, run), *unverified(at, run)))
    return [*kept, *_strays(at, learned, made, runs), *dict.fromkeys(outside)]


def _taints(runs: Collection[str], old: Held, made: Sequence[Release]) -> bool:
    """Whether a run's release taints a version; none does of a run that released nothing."""
    return any(release.run in runs for release in old.tainted_by(made))


def _kept(at: Opened, old: Held, made: Sequence[Release], now: datetime) -> Copy:
    what = f"{old.words}, which learned from the examples"
    if old.stays is not None:
        return Copy(REGISTRY, what, Status.REMAINS, old.stays)
    until = kept_until(at, old.of or old.version, made)
    if until <= now:
        return Copy(REGISTRY, what, Status.REMAINS, "due: run `lethe purge`")
    return Copy(REGISTRY, what, Status.KEPT, until=until.date().isoformat())


def _strays(
    at: Opened, told: Sequence[Held], made: Sequence[Release], runs: Collection[str]
) -> list[Copy]:
    """Look for the weights of tainted versions in files that are not told of with these."""
    digests = weights_to_go(made, lambda by: by.run in runs)
    apart = [path for old in told for path in old.files]
    return copies(at.ws.mlruns, digests, apart=apart) if digests else []


def finish_linked(at: Opened, refs: Sequence[str]) -> list[dict[str, str]]:
    """Complete requests that go with runs of others, but for runs that are not at their end."""
    unfinished, serving = at.ledger.unfinished_runs().keys(), serving_runs(at, refs)
    return finish_purging(at, [ref for ref in refs if unfinished.isdisjoint(serving[ref])])


def finish_purging(at: Opened, refs: Sequence[str]) -> list[dict[str, str]]:
    """Erase the versions whose days of grace are over, and complete the requests that have none.

    With a request those of the same runs go, since the same copies keep them. Right before the end
    everything is looked into once more. Gives the copies that went and those that remain; a request
    stays `purging` while one does, whichever of the runs that serve it that is of.
    """
    now = utc_now()
    serving = _with_others(at, refs)
    refs, runs = sorted(serving), {run for of in serving.values() for run in of}
    waiting = {request.run for request in purging_requests(at) if request.run}
    note_descendants(at, sorted(runs | waiting))  # first: what goes next may be a link to them
    found = _erase_due(at, now)
    _note_erased(at)
    ask_again(at, runs, now)
    found += elsewhere_again(at, sorted(run for run in runs if unasked(at, run)))
    looked: dict[str, list[Copy]] = {}
    for ref in refs:
        own = at.ledger.request(ref).run
        left = remaining(at, serving[ref], now)
        if serving[ref] and _ended(left):
            again = [run for run in serving[ref] if run == own or run in waiting]
            looked |= {run: look_again(at, run) for run in again if run not in looked}
            back = [copy for run in again for copy in looked[run]]
            left = [*back, *remaining(at, serving[ref], now)]
        found += [copy for copy in left if copy not in found]
        if _ended(left):
            at.ledger.move(ref, State.COMPLETE, now=now, key=f"{ref}/complete")
    _shred_complete(at)
    attest_completions(at)
    tell_upgrades(at)
    return as_records(found)


def _with_others(at: Opened, refs: Sequence[str]) -> Mapping[str, Collection[str]]:
    """Give these requests, and those that a run of theirs serves too, with the runs of each.

    Not what goes on with another run that is not at its end.
    """
    purging = {request.ref: request.run for request in purging_requests(at)}
    serving, unfinished = serving_runs(at, {*refs, *purging}), at.ledger.unfinished_runs().keys()
    runs = {run for ref in refs for run in serving[ref]}
    others = {
        ref
        for ref, run in purging.items()
        if run in runs or not (runs.isdisjoint(serving[ref]) or unfinished & {*serving[ref]})
    }
    return {ref: serving[ref] for ref in {*refs, *others}}


def _ended(left: Sequence[Copy]) -> bool:
    """Whether nothing that is left withholds the end of a request."""
    return all(copy.gone or copy.status is Status.CONFIRMED for copy in left)


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


def _note_erased(at: Opened) -> None:
    """Log of each version that had to go and is not there that its weights are nowhere any more."""
    entries = at.ledger.log.entries()
    made, told = releases(entries), erased_versions(entries)
    tainted = (r for r in made if taints(r.version, made))
    owed = {r.version: r.sha256 for r in tainted if r.version not in told}
    alone = weights_to_go(made, lambda _: True)
    there = {old.of for old in held(at, made)} if owed else set()
    for version in sorted(owed.keys() - there):
        if owed[version] not in alone or not copies(at.ws.mlruns, {owed[version]}):
            _log_erased(at, version, owed[version])


def _log_erased(at: Opened, version: int, sha256: str) -> None:
    body = {"version": version, "sha256": sha256}
    key = f"version/{version}/gone"
    at.ledger.record(ERASED_VERSION, body, key=key, now=utc_now())


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
