"""A copy of bytes to be forgotten, or of what was learned from them: where, what, and its status.

Whoever looks after a place tells of its copies in this form, and the command line prints it so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """What became of a copy."""

    PRESENT = "present"  # it is there, and nobody has tried to remove it yet
    REMOVED = "removed"  # it was removed, and looking for it again found nothing
    KEPT = "kept"  # it stays until a day, on purpose
    REMAINS = "remains"  # it should be gone and is not
    UNVERIFIED = "unverified"  # it was removed as far as the place says, older versions may live
    CONFIRMED = "confirmed"  # an operator says that what is unverified is gone; nobody has seen it


@dataclass(frozen=True)
class Copy:
    """One place that holds, or held, a copy; nothing in it tells of a person.

    where: workspace, dvc cache, dvc remote, shadow bank, model registry or a connector. why: why it
    is not gone. until: ISO 8601, the day on which a copy that is kept goes. receipt: SHA-256 of a
    connector's receipt that it is gone.
    """

    where: str
    what: str
    status: Status
    why: str | None = None
    until: str | None = None
    receipt: str | None = None

    @property
    def gone(self) -> bool:
        """Whether nothing of it is left."""
        return self.status is Status.REMOVED

    def as_record(self) -> dict[str, str]:
        """Give it as the command line prints it and the log keeps it."""
        record = {"where": self.where, "what": self.what, "status": str(self.status)}
        told = {"why": self.why, "until": self.until, "receipt": self.receipt}
        return record | {name: text for name, text in told.items() if text is not None}


def as_records(copies: Iterable[Copy]) -> list[dict[str, str]]:
    """Give copies as the command line prints them."""
    return [copy.as_record() for copy in copies]
