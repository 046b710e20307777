"""A backup becomes a workspace again, closed until whoever was erased since is out of it.

It lies in its place already (`tasks.backups.unsealing`). (1) DVC's cache and the remote inside are
made of data/. (2) Who was erased since is found by the newest list. (3) A run erases them, as any
other would: by the caller. (4) The newest list is put in force, versions that were marked since are
marked, and the workspace is open.
"""

from __future__ import annotations

from typing import Any

from ledger import durable, suppression
from ledger.backups import REPLAY, RESTORED
from ledger.domain import Selector
from ledger.requests.verbs import VERBS, Verb
from systems.data import loading, versions
from systems.registry import models
from systems.settings import restoring as closed
from systems.settings.recording import ledger_at
from systems.settings.restoring import Restoring, restoring
from systems.settings.service import FILE as SERVICE
from systems.settings.workspace import Workspace
from tasks.backups.alike import held_to, left_out
from tasks.backups.unsealing import ASIDE
from tasks.data.alike import Decided, unlike
from tasks.keeping.purging import purge_due
from tasks.keeping.verified import verify_records
from tasks.running.opened import Opened, opened
from tasks.running.records import utc_now
from tasks.running.standing import BROUGHT
from tasks.versions.taint import taint
from unlearning.counting import numbered
from unlearning.errors import IntegrityError, RequestDenied, UsageError

ONE_GONE = "witness was not asked, on your word that it is gone"
MANY_GONE = "witnesses were not asked, on your word that they are gone"


def prepare(ws: Workspace) -> Opened:
    """Make DVC's objects of data/, and open the workspace to whoever finishes its restoration.

    IntegrityError unless the data are those of the log.
    """
    plan = _plan(ws)
    ledger = ledger_at(ws, read_only=False)
    if ledger.log.find(_list_key(plan)) is not None:  # a crash came between the two
        suppression.replace(ws.records, _newest(ws))
    if ledger.known(_request(plan)) is None:  # its run changes data/, and ends what it began
        _make_objects(ws)
    return opened(str(ws.root))


def _make_objects(ws: Workspace) -> None:
    before = versions.data_version(ws)
    if (made := versions.add(ws)) != before:
        raise IntegrityError(
            f"data/: is data version {made[:12]}, expected {before[:12]}, as the backup's data.dvc "
            "has it: restore an earlier backup"
        )
    if versions.remote_inside(ws):
        versions.push(ws)


def reopened(ws: Workspace) -> Opened:
    """Open it anew, as a run has left it."""
    return opened(str(ws.root))


def replay(at: Opened, decided: Decided) -> tuple[str, int] | None:
    """Ask for the erasure of all who were erased since; give the request and how many examples.

    None if nobody was, or none of theirs is here. The same request again, also after a crash.
    decided: what becomes of examples that look like pictures that were erased since; UsageError for
    such examples while nobody has said.
    """
    plan = _plan(at.ws)
    ref = _request(plan)
    held_to(at, plan.restore, decided)
    if (known := at.ledger.known(ref)) is not None:
        return ref, known.examples
    back = loading.listed_ids(at.ws, _newest(at.ws).contains)
    back = sorted({*back, *left_out(at, plan.restore, _newest(at.ws), decided, back)})
    if not back:
        return None
    at.ledger.submit(
        Selector("example", tuple(back)),
        received_at=utc_now(),
        jurisdiction="gdpr",
        idempotency_key=None,
        examples=len(back),
        now=utc_now(),
        ref=ref,
        source=REPLAY,
    )
    return ref, len(back)


def finish(at: Opened, replayed: int, request: str | None) -> dict[str, Any]:
    """Put the newest list in force, mark what was marked since, verify, and open the workspace.

    IntegrityError if anybody who is listed is in the data.
    """
    ws, plan = at.ws, _plan(at.ws)
    newest = suppression.joined(suppression.load(ws.records, ws.keys), _newest(ws))
    if back := loading.listed(ws, newest.contains):
        raise IntegrityError(
            f"restore: {back} examples of erased people are still in the data, expected none: run "
            "it again"
        )
    _put_in_force(at, plan, newest)
    problems = _mark(at, plan)
    unsaid = _say_again(at, plan)
    purge_due(at)
    said = {
        "backup": plan.backup,
        "sha256": plan.sha256,
        "data_version": plan.data_version,
        "taken_at": plan.taken_at,
        "entries": plan.entries,
        "told": plan.told,
        "replayed": replayed,
        "request": request,
        **({"not_asked": list(plan.gone), "reason": plan.reason} if plan.gone else {}),
    }
    at.ledger.record(RESTORED, said, key=plan.restore, now=utc_now())
    found = verify_records(ws, None)
    if not found.ok:
        raise IntegrityError(f"restore: {found.problems[0]}")
    closed.finish(ws)
    return {
        **said,
        "restore": plan.restore,
        "data_version": versions.data_version(ws),
        "suppressed": len(newest.tokens),
        "sources": list(plan.sources),
        "checked": list(found.checked),
        "notes": [*_notes(plan), *unsaid, *unlike(newest)],
        "problems": problems,
    }


def _put_in_force(at: Opened, plan: Restoring, newest: suppression.Suppression) -> None:
    """Let the log tell of a list, then put it in place of the workspace's; a crash may come."""
    records = at.ws.records
    durable.write(records / closed.LIST, suppression.encoded(newest))
    body = {"sha256": newest.sha256}
    at.ledger.record(BROUGHT, body, key=_list_key(plan), now=utc_now())
    suppression.replace(records, newest)


def _mark(at: Opened, plan: Restoring) -> list[str]:
    """Mark the versions that were marked since and are here; give the alarms that follow."""
    if not plan.marks:
        return []
    there = {(v.version, v.sha256) for v in models.versions(at.ws.mlruns, at.params.model.name)}
    marked = [
        taint(at, mark["version"], mark["reason"])
        for mark in plan.marks
        if (mark["version"], mark["sha256"]) in there
    ]
    return [str(one["problem"]) for one in marked if one.get("problem")]


def _say_again(at: Opened, plan: Restoring) -> list[str]:
    """Hold and deny what was held or denied since; name what cannot be, since a run is at it."""
    unsaid = []
    for said in plan.said:
        ref, verb = str(said["request"]), Verb(said["verb"])
        if verb is Verb.HOLD and at.ledger.unconfirmed(ref):
            unsaid.append(
                f"{ref} was held, and waits here to be confirmed who asks, which keeps nobody "
                f"else's run from its examples: `lethe confirm {ref}`, then `lethe hold {ref}`"
            )
            continue
        if at.ledger.request(ref).state is VERBS[verb].to:
            continue  # a crash came after
        reason = str(said.get("reason") or f"as it stood before the restore of {plan.backup}")
        try:
            at.ledger.say(verb, ref, reason=reason, now=utc_now(), ground=said.get("ground"))
        except RequestDenied as problem:
            unsaid.append(f"{ref} was to be kept from being served ({verb}), as before: {problem}")
    return unsaid


def _notes(plan: Restoring) -> list[str]:
    notes = []
    if not plan.told:
        notes.append(
            f"no newer suppression list was given: whoever was erased after {plan.taken_at} is "
            "back. If anybody was, do not serve this workspace: restore again into an empty folder "
            "with --newest and the newest records/suppression.jsonl"
        )
    if plan.gone:
        notes.append(
            f"{numbered(len(plan.gone), ONE_GONE, MANY_GONE)}, which the log has: what nobody else "
            "knew of later erasures is not known here"
        )
    if plan.open_requests:
        several = numbered(plan.open_requests, "open request", "open requests")
        notes.append(
            f"the newest log has {several} that this backup lacks: submit what is open again"
        )
    if plan.said:
        several = numbered(len(plan.said), "request was", "requests were")
        notes.append(f"{several} held or denied since, and so again: see `lethe list requests`")
    if plan.imports:
        times = numbered(plan.imports, "time", "times")
        notes.append(f"data came in {times} since, which this backup lacks: import them again")
    if plan.aside:
        notes.append(
            f"{SERVICE} was put aside as {ASIDE}, since its witness or database has seen the "
            "original: write a new one with others"
        )
    return notes


def _plan(ws: Workspace) -> Restoring:
    plan = restoring(ws)
    if plan is None:
        raise UsageError(f"{ws.root.name}: nothing is being restored here")
    return plan


def _newest(ws: Workspace) -> suppression.Suppression:
    own = suppression.load(ws.records, ws.keys)
    return suppression.parsed(durable.read(ws.records / closed.LIST), own.key, closed.LIST)


def _request(plan: Restoring) -> str:
    return f"req-{plan.restore.removeprefix('rst-')}"


def _list_key(plan: Restoring) -> str:
    return f"{plan.restore}/{BROUGHT}"
