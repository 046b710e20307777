"""Whether the data that lie here are those that the log tells of, without those who were erased.

Older data that were put back hold people who were erased since. Digests tell at every opening; only
what no digest vouches for, such as data in the middle of an erasure, is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ledger import suppression
from ledger.chain import Entry
from ledger.requests import Ledger
from systems.data import loading, versions
from systems.data.reading import load_plan
from systems.data.sharding import load_manifest
from systems.settings.workspace import Workspace
from unlearning.errors import IntegrityError

BROUGHT = "suppression_brought"
"""Event and key of the entry on a list that `init` took along."""

WHAT_TO_DO = (
    "put data/, data.dvc, artifacts/manifest.json and records/ of one state back, the newest, or "
    "begin anew with `lethe init --suppression records/suppression.jsonl` (docs/requests.md)"
)


@dataclass(frozen=True)
class Told:
    """What the log tells last. erasing: the runs that are in the middle of an erasure.

    before: the last list that it tells of without what these have put there.
    """

    version: str | None
    suppressed: str | None
    before: str | None
    erasing: frozenset[str]


def told(ledger: Ledger) -> Told:
    """Read what the log tells of data version and suppression list, from its end on."""
    erasing = frozenset(run for run in ledger.unfinished_runs() if _erasing(ledger, run))
    listed = ((_run(e), e.body.get("sha256")) for e in _lists(ledger.log.newest_first()))
    last = next(listed, None)
    before = last if last is None or last[0] not in erasing else _of_others(listed, erasing)
    return Told(
        version=next(_versions(ledger.log.newest_first()), None),
        suppressed=last and last[1],
        before=before and before[1],
        erasing=erasing,
    )


Listed = tuple[str, str | None]
"""A run, and the list that it told of."""


def _of_others(listed: Iterator[Listed], erasing: frozenset[str]) -> Listed | None:
    return next((one for one in listed if one[0] not in erasing), None)


def _run(entry: Entry) -> str:
    return entry.key.rpartition("/")[0]


_TELLING = {"initialised": "data_version", "erased": "new_version", "imported": "data_version"}
"""Ends of the keys of entries that tell of a data version, and what they call it."""


def _versions(entries: Iterable[Entry]) -> Iterator[str | None]:
    steps = ((entry.key.rpartition("/")[2], entry.body) for entry in entries)
    return (body.get(_TELLING[step]) for step, body in steps if step in _TELLING)


def suppressed(entries: Iterable[Entry]) -> Entry | None:
    """Give the log's last entry on the suppression list, whose `sha256` is the list's."""
    return next(reversed([*_lists(entries)]), None)


def _lists(entries: Iterable[Entry]) -> Iterator[Entry]:
    return (e for e in entries if e.key.rpartition("/")[2] in ("suppressed", BROUGHT))


def _erasing(ledger: Ledger, run: str) -> bool:
    """Whether a run has begun to list what it erases, and the log has not its new data version."""
    ref = next(iter(ledger.run_requests(run)))
    began = ledger.log.find(f"{run}/{ref}/purging") is not None
    return began and ledger.log.find(f"{run}/erased") is None


def check_standing(ws: Workspace, ledger: Ledger) -> None:
    """IntegrityError unless data version and list are the log's last, or on their way to the next.

    Before the log tells of any data version, as while `init` is at work, nothing is asked.
    """
    last = told(ledger)
    if last.version is None:
        return
    if not last.erasing:
        for problem in _differences(ws, last):
            raise IntegrityError(f"{problem}: {WHAT_TO_DO}")
        if last.suppressed is None and (ws.records / suppression.FILE).exists():
            check_nobody_is_back(ws)  # a list that no entry vouches for
        return
    _check_list(ws, last)
    _check_plan(ws, last.version)
    if versions.data_version(ws) != last.version or last.suppressed is None:
        check_nobody_is_back(ws, last.erasing)


def _check_list(ws: Workspace, last: Told) -> None:
    """IntegrityError unless the list has all that is on it but for what is being erased."""
    if last.before is None or suppression.digest(ws.records) == last.suppressed:
        return
    apart = suppression.load(ws.records, ws.keys).apart_from(last.erasing)
    if apart.sha256 != last.before:
        raise IntegrityError(
            f"records/{suppression.FILE}: lacks what earlier runs put on it, expected the list "
            f"with SHA-256 {last.before[:12]}, or a newer one: restore it from your backup"
        )


def _check_plan(ws: Workspace, version: str) -> None:
    """IntegrityError for an erasure that was cut off after `dvc add` and whose plan is lost."""
    got = versions.data_version(ws)
    if got != version == load_manifest(ws).data_version and load_plan(ws) is None:
        raise IntegrityError(
            f"artifacts/erasing: is not there, expected the plan of the erasure that was cut off; "
            f"write {version}.dir in place of {got}.dir in data.dvc, and give the same command "
            "again: put aside each shard that it then names"
        )


def _differences(ws: Workspace, last: Told) -> Iterator[str]:
    for name, got in (
        ("data.dvc", versions.data_version(ws)),
        ("artifacts/manifest.json", load_manifest(ws).data_version),
    ):
        if got != last.version:
            yield (
                f"{name}: data version got {got[:12]}, expected {str(last.version)[:12]}, the last "
                "that the log tells of: other data were put here, which may hold who was erased"
            )
    got = suppression.digest(ws.records)
    if last.suppressed is not None and got != last.suppressed:
        yield (
            f"records/{suppression.FILE}: SHA-256 got {got[:12]}, expected {last.suppressed[:12]}, "
            "the last that the log tells of: the list or the log is an older one"
        )


def check_nobody_is_back(ws: Workspace, erasing: frozenset[str] = frozenset()) -> None:
    """Read all data; IntegrityError if some of it was erased, by other runs than those at work."""
    back = loading.listed(ws, erased_here(ws, erasing))
    if back:
        raise IntegrityError(
            f"data/: {back} examples are on the suppression list, expected none: erased examples "
            f"were put back: {WHAT_TO_DO}"
        )


def erased_here(ws: Workspace, erasing: frozenset[str] = frozenset()) -> Callable[[str, str], bool]:
    """Give the question whether an example was erased, by other runs than those at work."""
    return suppression.load(ws.records, ws.keys).apart_from(erasing).contains
