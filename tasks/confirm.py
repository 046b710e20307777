"""What nobody can look for after a purge, and an operator's word that it is gone."""

from __future__ import annotations

from ledger.backups import BACKUP
from ledger.domain import require_reason
from ledger.replay.purged import CONFIRMED, confirmations, name_of, rows_of
from systems.copies import Copy, Status
from tasks.backups.destroying import destroyed
from tasks.erasing.serving import serving_runs
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from unlearning.errors import UsageError


def unverified(at: Opened, run: str) -> list[Copy]:
    """List what nobody can look for of a run, with the operator's word on it where there is one."""
    entries = at.ledger.log.entries()
    said = {
        name_of(row): str(entry.body["reason"])
        for entry in confirmations(entries, run)
        for row in entry.body["copies"]
    }
    return [
        Copy(row["where"], row["what"], Status.CONFIRMED, said[name_of(row)])
        if name_of(row) in said
        else Copy(row["where"], row["what"], Status.UNVERIFIED, row["why"])
        for row in rows_of(entries, run)
        if row["status"] == Status.UNVERIFIED
    ]


def confirm(at: Opened, ref: str, named: str, reason: str) -> None:
    """Log an operator's word that unverified copies of the runs that serve a request are gone.

    named: a copy, as `lethe purge` calls it, or a place: then all in it. reason: goes into the log,
    so it names nobody. UsageError unless it is one that is unverified.
    """
    require_reason(reason, "how it was seen that the copy is gone")
    runs = serving_runs(at, [ref])[ref]
    unsure = [
        (c, run) for run in runs for c in unverified(at, run) if c.status is Status.UNVERIFIED
    ]
    meant = [(c, run) for c, run in unsure if named in (c.where, c.what, _short(c))]
    if not meant:
        places = ", ".join(sorted({copy.where for copy, _ in unsure})) or "none"
        raise UsageError(
            f"--confirm: no unverified copy of {ref} is called {named!r}, expected one of "
            f"{len(unsure)}, or its place ({places}): see `lethe purge {ref}`"
        )
    # One backup is a copy of many runs' people, and goes for all of them.
    for copy in dict.fromkeys(copy for copy, _ in meant):
        if copy.where == BACKUP:
            destroyed(at, _short(copy), reason)
    for run in runs:
        others = [copy for copy, of in meant if of == run and copy.where != BACKUP]
        if others:
            _confirm(at, run, others, reason)


def _short(copy: Copy) -> str:
    """A backup's reference, which its name begins with; of other copies the name."""
    return copy.what.split()[0] if copy.where == BACKUP else copy.what


def _confirm(at: Opened, run: str, others: list[Copy], reason: str) -> None:
    copies = [{"where": copy.where, "what": copy.what} for copy in others]
    key = at.ledger.log.next_key(f"{run}/{CONFIRMED}")
    body = {"run": run, "copies": copies, "reason": reason}
    at.ledger.record(CONFIRMED, body, key=key, now=utc_now())
