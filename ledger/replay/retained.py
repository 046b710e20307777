"""The lists of what released networks learned from: each change of one is told by the log.

A list has a keyed tag for each example and loses those of whoever is erased later, so its digest
changes. The log has it when the network is made, and before an erasure what will be left of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ledger.chain import Entry
from unlearning.digests import sha256_file

FOLDER, SUFFIX = "retained", ".tags"
"""Folder of records/ with a list for each released retraining, and the end of its name."""

LIST = "retained"
"""What the step that made a network says of its list: the SHA-256 of its bytes."""

STRUCK = "struck"
"""Step of a run: the digests that lists of others will have without the examples that it erases."""

Told = Mapping[str, frozenset[str]]
"""By run, the digests that its list may have: two while an erasure strikes it."""


def told(entries: Iterable[Entry]) -> Told:
    """Give the digests of the lists that there must be after these entries, the whole log."""
    found: dict[str, frozenset[str]] = {}
    made: dict[str, str | None] = {}
    striking: dict[str, Mapping[str, str]] = {}
    for entry in (entry for entry in entries if entry.event == "step"):
        run, _, step = entry.key.rpartition("/")
        if step.startswith("unlearned-"):
            made[run] = entry.body.get(LIST)
        elif step == STRUCK:
            striking[run] = entry.body["lists"]
            found |= {one: found[one] | {d} for one, d in striking[run].items() if one in found}
        elif step == "erased":
            found |= {one: frozenset({d}) for one, d in striking.pop(run, {}).items()}
            if own := made.get(run):
                found[run] = frozenset({own})
    return found


def objections(records: Path, known: Told) -> Iterator[str]:
    """Lists that are not those that the log tells of, one line each."""
    for run, digests in known.items():
        if problem := objection(records, run, digests):
            yield problem


def objection(records: Path, run: str, digests: frozenset[str]) -> str | None:
    """Say what is wrong with a run's list, None where it is one of these."""
    path = records / FOLDER / f"{run}{SUFFIX}"
    got = sha256_file(path) if path.is_file() else "no file"
    if got in digests:
        return None
    wanted = " or ".join(digest[:16] for digest in sorted(digests))
    return (
        f"{FOLDER}/{path.name}: SHA-256 got {got[:16]}, the log tells of {wanted}: the list of "
        "what the run's network learned from was altered or removed; restore it from your backup"
    )


def untold(records: Path, known: Told) -> int:
    """Count the lists of which the log does not tell: they are of before it did."""
    return sum(path.stem not in known for path in (records / FOLDER).glob(f"*{SUFFIX}"))
