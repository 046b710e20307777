"""A backup is taken: one sealed file, its key, and what it is, while nobody else is at work.

(1) The key is drawn. (2) The log tells of the backup, with the runs whose people are erased but for
copies that are kept: it is a copy of these. (3) The key is written to its place, and the file. (4)
Its description, which says that it is whole; then the log says so too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ledger import durable, keys
from ledger.backups import BACKUP, BEGUN, TAKEN, WHY, named, standing
from ledger.backups.stream import new_reference
from ledger.domain import State
from ledger.lines import LOG
from systems.archive.packing import SEALED, Description, describe, pack
from systems.archive.unpacking import KEYS
from systems.copies import Copy, Status, as_records
from systems.data import versions
from systems.settings.recording import lines_of
from systems.settings.workspace import Workspace
from tasks.backups.destroying import destroyed
from tasks.backups.keeping import folder_of, keep, kept, shred
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from unlearning.errors import RequestDenied, UsageError


def take(at: Opened, folder: Path, keys_at: Path | None) -> dict[str, Any]:
    """Back a workspace up into a folder outside of it; its key goes to `keys_at`, or beside it.

    UsageError for a folder inside the workspace, RequestDenied in the middle of a release.
    """
    to, key_folder = _outside(at.ws, folder), keys_at or folder / KEYS
    _outside(at.ws, key_folder)
    _refuse_halfway(at)
    for place in (to, key_folder):
        durable.make_folder(place)
    _sweep(at)
    ref = new_reference()
    key = keep(at.ws, ref, to, key_folder)
    described = _begin(at, ref)
    try:
        keys.write_secret(key_folder / f"{ref}.key", key)
        made = pack(at.ws, to / f"{ref}{SEALED}", key, ref, log_of(at.ws))
        describe(to, Description(**{**described, **made}))
    except BaseException:
        _take_back(at, ref)
        raise
    at.ledger.record(TAKEN, {"backup": ref, **made}, key=f"{ref}/taken", now=utc_now())
    return {
        **described,
        **made,
        "file": str(to / f"{ref}{SEALED}"),
        "key": str(key_folder / f"{ref}.key"),
        "key_beside": keys_at is None,
    }


def _take_back(at: Opened, ref: str) -> None:
    """Remove what there is of a backup that did not come to its end, its key first."""
    known = kept(at.ws, ref)
    if known is None:  # nobody can tell where it lies: a person has to say that it is gone
        return
    for path in reversed([*known.files(ref)]):
        durable.remove_file(path, within=path.parent)
    destroyed(at, ref, "it was cut off, and removed")


def _sweep(at: Opened) -> None:
    """Take back what a crash left: backups that are not whole, and keys of none."""
    entries = at.ledger.log.entries()
    for cut_off in (one for one in standing(entries) if one.sha256 is None):
        _take_back(at, cut_off.ref)
    for ref in {path.stem for path in folder_of(at.ws).glob("bk-*")}:
        if at.ledger.log.find(f"{ref}/begun") is None:
            shred(at.ws, ref)


def log_of(ws: Workspace) -> dict[str, bytes]:
    """Give the log's lines by the name that its file has, wherever they lie."""
    return {f"{ws.records.name}/{LOG}": lines_of(ws).read()}


def description_of(at: Opened, ref: str) -> dict[str, Any]:
    """Say what a backup of the workspace, as it is now, is a backup of; "" before data are in."""
    log, there = at.ledger.log, at.ws.data_file.is_file()
    return {
        "backup": ref,
        "taken_at": log.entries()[-1].at,
        "data_version": versions.data_version(at.ws) if there else "",
        "entries": len(log.entries()),
        "head": log.head,
    }


def _begin(at: Opened, ref: str) -> dict[str, Any]:
    now = utc_now()
    copy = Copy(BACKUP, named(ref, now), Status.UNVERIFIED, WHY)
    known = at.ledger.requests(None, now)
    runs = sorted({str(r.run) for r in known if r.state is State.PURGING and r.run})
    body = {
        "backup": ref,
        "data_version": versions.data_version(at.ws),
        "runs": runs,
        "copies": as_records([copy]) if runs else [],
    }
    at.ledger.record(BEGUN, body, key=f"{ref}/begun", now=now)
    return description_of(at, ref)


def _outside(ws: Workspace, folder: Path) -> Path:
    place = folder.expanduser().resolve()
    if place == ws.root or place.is_relative_to(ws.root):
        raise UsageError(
            f"backup: {folder.name or folder} lies in the workspace itself, expected a folder "
            "outside of it, best on another disk"
        )
    if place.exists() and not place.is_dir():
        raise UsageError(f"backup: {folder.name} is a file, expected a folder")
    return place


def _refuse_halfway(at: Opened) -> None:
    """A run that has decided is finished first: the middle of a release cannot be restored."""
    for run, members in at.ledger.unfinished_runs().items():
        if at.ledger.log.find(f"{run}/decided") is not None:
            raise RequestDenied(
                f"backup: run {run} has decided and is not at its end, expected none that is: "
                f"first `lethe forget {' '.join(members)}`"
            )
