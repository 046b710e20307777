"""Somebody says that a backup was destroyed: believed where it cannot be seen to be there."""

from __future__ import annotations

from typing import Any

from ledger.backups import BACKUP, BEGUN, DESTROYED, WHY, Backup, standing
from ledger.domain import require_reason
from ledger.replay.purged import CONFIRMED, confirmations, name_of, rows_of
from systems.copies import Copy, Status
from tasks.backups.keeping import kept, shred
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from unlearning.errors import RequestDenied, UsageError


def residual(at: Opened, status: Status = Status.UNVERIFIED) -> list[Copy]:
    """List the backups that may hold whoever is in the data now."""
    found = standing(at.ledger.log.entries())
    return [Copy(BACKUP, one.what, status, WHY) for one in found]


def outdated(at: Opened) -> list[str]:
    """Name the backups from before the last erasure: they hold people who are gone here."""
    entries = at.ledger.log.entries()
    last = max((entry.seq for entry in entries if entry.key.endswith("/erased")), default=0)
    before = {entry.body["backup"] for entry in entries[:last] if entry.event == BEGUN}
    return [one.ref for one in standing(entries) if one.ref in before]


def destroyed(at: Opened, ref: str, reason: str) -> dict[str, Any]:
    """Log that a backup was destroyed, for every run that it is a copy of, and shred its key here.

    UsageError for one that the log does not tell of; RequestDenied while it lies at its place.
    """
    require_reason(reason, "how it is known that the backup is destroyed")
    found = next((b for b in standing(at.ledger.log.entries()) if b.ref == ref), None)
    if found is None:
        known = ", ".join(b.ref for b in standing(at.ledger.log.entries())) or "none"
        raise UsageError(f"backup {ref}: the log tells of none such, expected one of: {known}")
    _refuse_present(at, ref)
    shred(at.ws, ref)
    runs = [run for run in _runs_of(at, found) if not _confirmed(at, run, found)]
    for run in runs:
        _confirm(at, run, found, reason)
    body = {"backup": ref, "reason": reason}
    at.ledger.record(DESTROYED, body, key=f"{ref}/destroyed", now=utc_now())
    return {"backup": ref, "destroyed": True, "runs": runs}


def _refuse_present(at: Opened, ref: str) -> None:
    known = kept(at.ws, ref)
    for path in known.files(ref) if known else ():
        raise RequestDenied(
            f"backup {ref}: {path.name} still lies where it was written to, expected it gone: "
            "remove it, all its copies and its key first, then say so"
        )


def _runs_of(at: Opened, backup: Backup) -> list[str]:
    """Name the runs of whose people it is a copy, in their order."""
    entries = at.ledger.log.entries()
    runs = [entry.key.removesuffix("/purged") for entry in entries if entry.key.endswith("/purged")]
    return [run for run in runs if any(_is(row, backup) for row in rows_of(entries, run))]


def _confirmed(at: Opened, run: str, backup: Backup) -> bool:
    said = confirmations(at.ledger.log.entries(), run)
    return any(_is(row, backup) for entry in said for row in entry.body["copies"])


def _confirm(at: Opened, run: str, backup: Backup, reason: str) -> None:
    body = {
        "run": run,
        "copies": [{"where": BACKUP, "what": backup.what}],
        "reason": reason,
    }
    key = at.ledger.log.next_key(f"{run}/{CONFIRMED}")
    at.ledger.record(CONFIRMED, body, key=key, now=utc_now())


def _is(row: Any, backup: Backup) -> bool:
    return name_of(row) == name_of({"where": BACKUP, "what": backup.what})
