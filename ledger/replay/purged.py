"""What is known of the copies that a run was to erase: seen gone, confirmed, unverified, or there.

A copy counts as verified where looking again found nothing. Where nobody can look, as in a store
that keeps older versions, or behind a second name of a file, an operator may confirm by an entry of
the log that it is gone; that stays another word than verified.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ledger.backups import BEGUN
from ledger.chain import Entry
from ledger.replay.lineage import releases, taints

CONFIRMED = "confirmed"
"""Event: an operator says of a run's copies that they are gone."""

HARD_LINKED = "hard_linked"
"""Step of a run, and event on a version: files with other names on the disk, seen beforehand."""

DESCENDS = "descendant_found"
"""Event on a run: a version that was made from one which learned from its examples."""

OWED = "connectors"
"""Step of a run: the connectors that it asks, noted before anything is erased."""

ASKED = "connector_asked"
"""Event: a connector was asked again, and its copy is not as it was told before."""

FORESEEN = "foreseen"
"""Step of a run: what was made of the data and goes with them, noted before anything is erased."""

ERASED_VERSION = "version_erased"
"""Event: the weights of a version went, and looking for their bytes found none."""

CHANGED = "copies_changed"
"""Event: a copy was back and went again, or is other than it was told before."""

LOOKED_AGAIN = "looked_again"
"""Event: right before its requests are complete all places of a run were looked into once more, and
nothing was there."""

AFTER_A_LOOK = "lethe/completion/2"
"""Type of a completion, noted with the purge, that is preceded by such a look and names every
version that went; there is neither in one of before."""

CONNECTOR = "connector "
"""Begins the place of a copy that a connector looks after; its name follows."""

RECEIPTS = "connectors"
"""Folder of records/: each run's receipts, and, sealed, what its connectors are asked for."""

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


def rows_of(entries: Sequence[Entry], run: object) -> Iterator[Row]:
    """Give the copies that a run purged, the versions that it let go, as far as in doubt, what
    descends from these, the backups that were taken of them, and what was back.

    Each is as it was told of last.
    """
    last, known = _told_last(entries, run), set[str]()
    for entry in entries:
        of_others = entry.event in (HARD_LINKED, BEGUN, DESCENDS) and run in entry.body["runs"]
        if of_others or entry.key == f"{run}/purged":
            known |= {name_of(row) for row in entry.body["copies"]}
            yield from (last.get(name_of(row), row) for row in entry.body["copies"])
    yield from (row for name, row in last.items() if name not in known)


def _told_last(entries: Iterable[Entry], run: object) -> dict[str, Row]:
    told = (e for e in entries if e.event in (ASKED, CHANGED) and e.body.get("run") == run)
    return {name_of(row): row for entry in told for row in entry.body["copies"]}


def connected(entries: Sequence[Entry], run: object) -> list[Row]:
    """Give the copies of a run that connectors look after, as they were told of last."""
    rows = rows_of(entries, run)
    return [row for row in rows if str(row.get("where")).startswith(CONNECTOR)]


def confirmations(entries: Iterable[Entry], run: object) -> list[Entry]:
    """Give the entries by which an operator confirmed copies of a run."""
    return [e for e in entries if e.event == CONFIRMED and e.body.get("run") == run]


def open_rows(entries: Sequence[Entry], run: object) -> list[Row]:
    """Give the copies that by the log alone keep requests waiting, and that nobody has confirmed.

    They are connectors' that have not shown that nothing is left, and those that nobody can look
    for. What is told to remain elsewhere, such as a version in its days of grace, is looked for
    again.
    """
    said = {name_of(row) for e in confirmations(entries, run) for row in e.body["copies"]}
    return [row for row in rows_of(entries, run) if _is_open(row) and name_of(row) not in said]


def _is_open(row: Row) -> bool:
    if str(row["where"]).startswith(CONNECTOR):
        return bool(row["status"] != "removed")
    return bool(row["status"] == "unverified")


def as_stated(entries: Iterable[Entry], run: object) -> list[dict[str, Any]]:
    """Give the confirmations on a run as a statement repeats them."""
    return [
        {"at": e.at, "reason": e.body["reason"], "copies": [*map(name_of, e.body["copies"])]}
        for e in confirmations(entries, run)
    ]


def receipts(entries: Iterable[Entry]) -> Iterator[tuple[str, str, str]]:
    """Give run, name of the file and SHA-256 of every receipt that the log tells of, in order."""
    count: Counter[tuple[str, str]] = Counter()
    for entry in entries:
        run = entry.body.get("run") if entry.event == ASKED else entry.key.partition("/")[0]
        if entry.event == ASKED or entry.key.endswith("/purged"):
            for row in entry.body["copies"]:
                if "receipt" in row:
                    of = str(run), row["where"].removeprefix(CONNECTOR)
                    count[of] += 1
                    yield of[0], receipt_file(of[1], count[of]), row["receipt"]


def receipt_file(connector: str, number: int) -> str:
    """Name the file of a connector's first receipt, second, and so on; its name has no dot."""
    return f"{connector}.json" if number == 1 else f"{connector}.{number}.json"


def erased_versions(entries: Iterable[Entry]) -> dict[int, Entry]:
    """Give the entry of each version whose weights went."""
    return {e.body["version"]: e for e in entries if e.event == ERASED_VERSION}


def learned(entries: Iterable[Entry], run: object) -> dict[int, str]:
    """Give the SHA-256 of the weights, by version, of all that a run's release lets go.

    These are the versions that were let serve before it, since nothing shows that one forgot; but
    not one that was trained afresh while the run's requests were restricted. entries: the whole
    log, at least to the release.
    """
    made = releases(entries)
    return {
        served.version: served.sha256
        for served in made
        if not served.again and any(by.run == run for by in taints(served.version, made))
    }


def versions_gone(entries: Sequence[Entry], run: object) -> list[dict[str, Any]]:
    """Give the versions that a run's release let go and that went, as a statement names them."""
    gone = erased_versions(entries)
    return [
        {"version": version, "sha256": gone[version].body["sha256"], "at": gone[version].at}
        for version in sorted(learned(entries, run))
        if version in gone
    ]
