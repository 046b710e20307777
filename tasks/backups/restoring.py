"""A backup becomes a workspace again, closed until whoever was erased since is out of it.

(1) All of it is unsealed beside its place, its log and list are held against what is known since,
and what is to be done is noted. (2) It is put in its place. Until here nothing has happened that a
second call would not begin anew. (3) DVC's cache and the remote inside are made of data/. (4) Who
was erased since is found by the newest list. (5) A run erases them, as any other would: by the
caller. (6) The newest list is put in force, versions that were marked since are marked, and the
workspace is open.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger import durable, suppression
from ledger.backups import REPLAY, RESTORED
from ledger.domain import Selector
from systems.archive.packing import Description
from systems.archive.unpacking import chosen, key_of, unpack
from systems.data import loading, versions
from systems.registry import models
from systems.settings import restoring as closed
from systems.settings.recording import ledger_at
from systems.settings.restoring import Restoring, restoring
from systems.settings.service import FILE as SERVICE
from systems.settings.service import load_service
from systems.settings.workspace import Workspace
from tasks.backups.newest import backup_of, known_since, marks_since, open_requests
from tasks.keeping.purging import purge_due
from tasks.keeping.verified import verify_records
from tasks.running.opened import Opened, opened
from tasks.running.records import utc_now
from tasks.running.standing import BROUGHT
from tasks.versions.taint import taint
from unlearning.errors import IntegrityError, UsageError

HALFWAY, WHOLE = ".restoring", "whole"
ASIDE = "service.before-restore.yaml"
"""What service.yaml is called where it names a witness or a database of the original's."""


@dataclass(frozen=True)
class Asked:
    """Which backup, where its key is, and who knows what came after it."""

    place: Path
    key: Path | None = None
    newest: tuple[Path, ...] = ()
    witnesses: tuple[str, ...] = ()


def begin(ws: Workspace, asked: Asked) -> None:
    """Put a backup in its place, closed; one that was begun is gone on with.

    UsageError for a folder that holds anything else.
    """
    halfway = ws.root / HALFWAY
    if restoring(ws) is None and not (halfway / WHOLE).exists():
        _refuse_occupied(ws)
        described, file = chosen(asked.place.expanduser())
        key = key_of(described, file, asked.key)
        ws.root.mkdir(parents=True, exist_ok=True)
        durable.remove_folder(halfway, within=ws.root)
        try:
            _unseal(ws, described, file, key, asked)
        except BaseException:
            durable.remove_folder(halfway, within=ws.root)
            raise
    _put_in_place(ws)


def _refuse_occupied(ws: Workspace) -> None:
    others = [p.name for p in ws.root.iterdir() if p.name != HALFWAY] if ws.root.is_dir() else []
    if others or (ws.root.exists() and not ws.root.is_dir()):
        raise UsageError(
            f"{ws.root.name}: holds {len(others) or 'a'} files or folders, expected an empty "
            "folder: restore writes over nothing; name another with --workspace"
        )


def _unseal(ws: Workspace, described: Description, file: Path, key: bytes, asked: Asked) -> None:
    tree = ws.root / HALFWAY / "tree"
    durable.make_folder(tree)
    unpack(described, file, key, tree)
    found = Workspace(tree)
    backup = backup_of(found)
    if backup.chain.head != described.head:
        raise IntegrityError(
            f"{file.name}: its log ends with {backup.chain.head[:12]}, expected "
            f"{described.head[:12]}, as is written beside it: take another copy of both"
        )
    known = known_since(backup, asked.newest, _witnesses(found, asked))
    durable.write(found.records / closed.LIST, suppression.encoded(known.listed))
    plan = Restoring(
        restore=f"rst-{secrets.token_hex(6)}",
        backup=described.backup,
        sha256=described.sha256,
        taken_at=described.taken_at,
        data_version=described.data_version,
        entries=len(backup.entries),
        told=known.told,
        sources=known.sources,
        open_requests=open_requests(backup, known.log),
        marks=marks_since(backup, known.log),
        aside=_put_aside(found),
    )
    closed.note(found, plan)
    durable.write(ws.root / HALFWAY / WHOLE, b"")


def _witnesses(found: Workspace, asked: Asked) -> list[str]:
    """Those that are named, and those of the workspace itself."""
    return list(dict.fromkeys((*asked.witnesses, *load_service(found.root).witness.at)))


def _put_aside(found: Workspace) -> bool:
    """Witness and database have seen the original: what was restored gets its own from a person."""
    service = load_service(found.root)
    if not service.witness.at and service.database is None:
        return False
    (found.root / SERVICE).replace(found.root / ASIDE)
    return True


def _put_in_place(ws: Workspace) -> None:
    halfway = ws.root / HALFWAY
    tree = halfway / "tree"
    with durable.storing(ws.root):
        for path in sorted(tree.iterdir()) if tree.is_dir() else ():
            path.replace(ws.root / path.name)
    durable.remove_folder(halfway, within=ws.root)


def prepare(ws: Workspace) -> Opened:
    """Make DVC's objects of data/, and open the workspace to whoever finishes its restoration.

    IntegrityError unless the data are those of the log.
    """
    plan = _plan(ws)
    ledger = ledger_at(ws, read_only=False)
    if ledger.log.find(_list_key(plan)) is not None:  # a crash came between the two
        suppression.replace(ws.records, _newest(ws))
    before = versions.data_version(ws)
    if (made := versions.add(ws)) != before:
        raise IntegrityError(
            f"data/: is data version {made[:12]}, expected {before[:12]}, as the backup's data.dvc "
            "has it: restore an earlier backup"
        )
    if versions.remote_inside(ws):
        versions.push(ws)
    return opened(str(ws.root))


def reopened(ws: Workspace) -> Opened:
    """Open it anew, as a run has left it."""
    return opened(str(ws.root))


def replay(at: Opened) -> tuple[str, int] | None:
    """Ask for the erasure of all who were erased since; give the request and how many examples.

    None if nobody was, or none of theirs is here. The same request again, also after a crash.
    """
    plan = _plan(at.ws)
    ref = f"req-{plan.restore.removeprefix('rst-')}"
    if (known := at.ledger.known(ref)) is not None:
        return ref, known.examples
    back = loading.listed_ids(at.ws, _newest(at.ws).contains)
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
    durable.write(ws.records / closed.LIST, suppression.encoded(newest))
    body = {"sha256": newest.sha256}
    at.ledger.record(BROUGHT, body, key=_list_key(plan), now=utc_now())
    suppression.replace(ws.records, newest)
    problems = _mark(at, plan)
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
        "notes": _notes(plan),
        "problems": problems,
    }


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


def _notes(plan: Restoring) -> list[str]:
    notes = []
    if not plan.told:
        notes.append(
            f"no newer suppression list was given: whoever was erased after {plan.taken_at} is "
            "back. If anybody was, do not serve this workspace: restore again into an empty folder "
            "with --newest and the newest records/suppression.jsonl"
        )
    if plan.open_requests:
        notes.append(
            f"the newest log has {plan.open_requests} open requests that this backup lacks: submit "
            "them again"
        )
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


def _list_key(plan: Restoring) -> str:
    return f"{plan.restore}/{BROUGHT}"
