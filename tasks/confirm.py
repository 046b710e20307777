"""What nobody can look for after a purge, and an operator's word that it is gone."""

from __future__ import annotations

from ledger.backups import BACKUP
from ledger.domain import DeletionRequest, require_reason
from ledger.replay.purged import CONFIRMED, confirmations, name_of, rows_of
from systems.copies import Copy, Status
from tasks.backups.destroying import destroyed
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from unlearning.errors import UsageError


def unverified(at: Opened, request: DeletionRequest) -> list[Copy]:
    """List what nobody can look for, with the operator's word on it where there is one."""
    entries = at.ledger.log.entries()
    said = {
        name_of(row): str(entry.body["reason"])
        for entry in confirmations(entries, request.run)
        for row in entry.body["copies"]
    }
    return [
        Copy(row["where"], row["what"], Status.CONFIRMED, said[name_of(row)])
        if name_of(row) in said
        else Copy(row["where"], row["what"], Status.UNVERIFIED, row["why"])
        for row in rows_of(entries, request.run)
        if row["status"] == Status.UNVERIFIED
    ]


def confirm(at: Opened, ref: str, named: str, reason: str) -> None:
    """Log an operator's word that unverified copies of a request's run are gone.

    named: a copy, as `lethe purge` calls it, or a place: then all in it. reason: goes into the log,
    so it names nobody. UsageError unless it is one that is unverified.
    """
    require_reason(reason, "how it was seen that the copy is gone")
    request = at.ledger.request(ref)
    unsure = [c for c in unverified(at, request) if c.status is Status.UNVERIFIED]
    meant = [c for c in unsure if named in (c.where, c.what, _short(c))]
    if not meant:
        places = ", ".join(sorted({copy.where for copy in unsure})) or "none"
        raise UsageError(
            f"--confirm: no unverified copy of {ref} is called {named!r}, expected one of "
            f"{len(unsure)}, or its place ({places}): see `lethe purge {ref}`"
        )
    for copy in meant:  # one backup is a copy of many runs' people, and goes for all of them
        if copy.where == BACKUP:
            destroyed(at, _short(copy), reason)
    others = [copy for copy in meant if copy.where != BACKUP]
    if others:
        _confirm(at, request, others, reason)


def _short(copy: Copy) -> str:
    """A backup's reference, which its name begins with; of other copies the name."""
    return copy.what.split()[0] if copy.where == BACKUP else copy.what


def _confirm(at: Opened, request: DeletionRequest, others: list[Copy], reason: str) -> None:
    copies = [{"where": copy.where, "what": copy.what} for copy in others]
    key = at.ledger.log.next_key(f"{request.run}/{CONFIRMED}")
    body = {"run": request.run, "copies": copies, "reason": reason}
    at.ledger.record(CONFIRMED, body, key=key, now=utc_now())
