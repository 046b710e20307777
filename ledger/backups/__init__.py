"""Backups of a workspace, as the log tells of them: each is a copy of all who were in it.

A backup is told of before its first byte is written, so that one that was cut off is known too. It
stays a copy until somebody says that it was destroyed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ledger.chain import Entry
from ledger.log import Log

BACKUP = "backup"
"""Where such a copy lies, in a list of copies."""

BEGUN, TAKEN, DESTROYED, RESTORED = (
    "backup_begun",
    "backup_taken",
    "backup_destroyed",
    "restored",
)
"""Events of the log."""

REPLAY = "restore"
"""Source of the requests by which a restored workspace erases who was erased since."""

WHY = (
    "its bytes are out of reach from here: destroy its file and its key wherever they lie, then "
    "say so with --confirm"
)


@dataclass(frozen=True)
class Backup:
    """A backup that may be there. sha256: of its file; None of one that did not come to its end."""

    ref: str
    taken_at: datetime
    data_version: str
    sha256: str | None = None

    @property
    def what(self) -> str:
        """What it is called as a copy."""
        return named(self.ref, self.taken_at)


def named(ref: str, taken_at: datetime) -> str:
    """Name a backup as a copy: by its reference and day."""
    return f"{ref} of {taken_at.date().isoformat()}"


def replayed(log: Log, refs: Iterable[str]) -> bool:
    """Whether one of these requests only repeats an erasure, after a restore: nothing is kept."""
    told = (log.find(f"{ref}/submitted") for ref in refs)
    return any(entry is not None and entry.body.get("source") == REPLAY for entry in told)


def standing(entries: Iterable[Entry]) -> tuple[Backup, ...]:
    """Give the backups that nobody said were destroyed, oldest first.

    That which a workspace was restored from is one of them.
    """
    found: dict[str, Backup] = {}
    for entry in entries:
        ref = str(entry.body.get("backup"))
        if entry.event == BEGUN:
            at = datetime.fromisoformat(entry.at)
            found[ref] = Backup(ref, at, str(entry.body["data_version"]))
        elif entry.event == TAKEN and ref in found:
            begun = found[ref]
            sha256 = str(entry.body["sha256"])
            found[ref] = Backup(ref, begun.taken_at, begun.data_version, sha256)
        elif entry.event == RESTORED:  # its log has no word that it is whole, but it was
            at, version = datetime.fromisoformat(entry.body["taken_at"]), entry.body["data_version"]
            found[ref] = Backup(ref, at, str(version), str(entry.body["sha256"]))
        elif entry.event == DESTROYED:
            found.pop(ref, None)
    return tuple(found.values())
