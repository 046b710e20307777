"""What is known of the copies that a run was to erase: seen gone, confirmed, unverified, or there.

A copy counts as verified where looking again found nothing. Where nobody can look, as in a store
that keeps older versions, or behind a second name of a file, an operator may confirm by an entry of
the log that it is gone; that stays another word than verified.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ledger.backups import BEGUN
from ledger.chain import Entry

CONFIRMED = "confirmed"
"""Event: an operator says of a run's copies that they are gone."""

HARD_LINKED = "hard_linked"
"""Step of a run, and event on a version: files with other names on the disk, seen beforehand."""

Row = Mapping[str, Any]


def name_of(row: Row) -> str:
    """What a copy is called in statements."""
    return f"{row.get('where')}: {row.get('what')}"


def standing(rows: Iterable[Row], confirmed: Iterable[Row] = ()) -> dict[str, Any]:
    """Count the copies that are verified as removed, and name all others by what is known."""
    said = {name_of(row) for row in confirmed}
    found: dict[str, Any] = {"verified": 0, "confirmed": [], "unverified": [], "remaining": []}
    for row in rows:
        if row.get("status") == "removed":
            found["verified"] += 1
        elif row.get("status") == "unverified":
            found["confirmed" if name_of(row) in said else "unverified"].append(name_of(row))
        else:
            found["remaining"].append(name_of(row))
    return found


def assured(decision: object, level: object, known: Mapping[str, Any]) -> object:
    """Give the assurance after a purge: where nothing was unlearned, A1 if no copy is in doubt."""
    if decision != "purge":
        return level
    return "A0" if known["unverified"] or known["remaining"] else "A1"


def purged_copies(entries: Sequence[Entry], run: object) -> dict[str, Any] | None:
    """Give the standing of a run's copies by the log; None before it has purged."""
    return told(entries, run) if any(e.key == f"{run}/purged" for e in entries) else None


def told(entries: Sequence[Entry], run: object) -> dict[str, Any]:
    """Give the standing of a run's copies by these entries of the log."""
    said = (row for entry in confirmations(entries, run) for row in entry.body["copies"])
    return standing(rows_of(entries, run), said)


def rows_of(entries: Iterable[Entry], run: object) -> Iterator[Row]:
    """Give the copies that a run purged, the versions that it let go, as far as in doubt, and the
    backups that were taken of them.
    """
    for entry in entries:
        of_others = entry.event in (HARD_LINKED, BEGUN) and run in entry.body["runs"]
        if of_others or entry.key == f"{run}/purged":
            yield from entry.body["copies"]


def confirmations(entries: Iterable[Entry], run: object) -> list[Entry]:
    """Give the entries by which an operator confirmed copies of a run."""
    return [e for e in entries if e.event == CONFIRMED and e.body.get("run") == run]


def as_stated(entries: Iterable[Entry], run: object) -> list[dict[str, Any]]:
    """Give the confirmations on a run as a statement repeats them."""
    return [
        {"at": e.at, "reason": e.body["reason"], "copies": [*map(name_of, e.body["copies"])]}
        for e in confirmations(entries, run)
    ]
