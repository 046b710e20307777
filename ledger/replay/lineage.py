"""What served, by the signed log: which version was made from which, and what each has seen.

Nothing here reads a clock, a registry or data: the log alone tells.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ledger.chain import Entry
from ledger.replay.drift import FIRST
from unlearning.errors import IntegrityError

PROMOTED = "promoted"
"""Step of a run that let its candidate serve."""

ROLLED_BACK = "rolled_back"
"""Event of the log: a person let an earlier version serve again."""

TAINTED = "tainted"
"""Event of the log: a person marked a version as one that must never serve or be built upon."""

PROVED = "A3"
"""Assurance of a version that was trained afresh, so that lineage tells what it never saw."""


@dataclass(frozen=True)
class Release:
    """A version that the log says was let serve.

    parent: the version that it replaced, and run: the run that made it; None for the first. Of a
    rollback run is None too, and `again` true. requests: those of the run. exact: trained afresh.
    spared: requests that were open then, whose examples this version never saw.
    """

    version: int
    sha256: str
    parent: int | None
    run: str | None
    at: datetime
    requests: frozenset[str] = frozenset()
    exact: bool = False
    spared: frozenset[str] = frozenset()
    again: bool = False


@dataclass(frozen=True)
class Mark:
    """A person's word that a version must never serve or be built upon."""

    at: str
    reason: str | None


def releases(entries: Iterable[Entry]) -> tuple[Release, ...]:
    """Give what served, oldest first, from the log; IntegrityError if one does not follow.

    Each release replaced the one before it. A log that says otherwise is of two histories.
    """
    known: dict[str, Entry] = {}
    made: list[Release] = []
    for entry in entries:
        known[entry.key] = entry
        if entry.key == FIRST or entry.event == ROLLED_BACK or entry.key.endswith(f"/{PROMOTED}"):
            made.append(_release(entry, known))
            _check_follows(made)
    return tuple(made)


def _release(entry: Entry, known: Mapping[str, Entry]) -> Release:
    body, at = entry.body, datetime.fromisoformat(entry.at)
    told = (body["version"], body["sha256"], body.get("parent"))
    if entry.key == FIRST or entry.event == ROLLED_BACK:
        return Release(*told, None, at, again=entry.event == ROLLED_BACK)
    run = entry.key.removesuffix(f"/{PROMOTED}")
    started, extracted, decided = (
        known[key].body if (key := f"{run}/{step}") in known else {}
        for step in ("started", "extracted", "decided")
    )
    exact = decided.get("assurance") == PROVED
    spared = frozenset(extracted.get("left_out") or ()) if exact else frozenset[str]()
    return Release(*told, run, at, frozenset(started.get("requests") or ()), exact, spared)


def _check_follows(made: Sequence[Release]) -> None:
    expected = made[-2].version if len(made) > 1 else None
    if made[-1].parent != expected:
        raise IntegrityError(
            f"log: version {made[-1].version} was promoted in place of version "
            f"{made[-1].parent}, expected version {expected}, the release before it; serve "
            "nothing, and restore records/ and mlruns/ from one backup"
        )


def origin(number: int, made: Sequence[Release]) -> Release | None:
    """Give the release that first let a version serve; None if none did."""
    return next((r for r in made if r.version == number and not r.again), None)


def weighs_as(number: int, digests: Collection[str], made: Sequence[Release]) -> int | None:
    """Give the version whose weights a version has, by number and by the digests of its files.

    One that was let serve is itself. A copy that was registered later has learned what the original
    has, whatever its number; of several releases of the same bytes the last counts.
    """
    if origin(number, made):
        return number
    return max((r.version for r in made if r.sha256 in digests), default=None)


def taints(number: int, made: Sequence[Release]) -> tuple[Release, ...]:
    """Give the releases that taint a version, oldest first: they replaced what it belongs to.

    A version from before a run's release learned from that run's examples, or from a version that
    did, and nothing shows that it forgot them; unless it was trained afresh without them, while
    they were restricted.
    """
    own = origin(number, made)
    spared = own.spared if own else frozenset[str]()
    later = (r for r in made if r.run and number < r.version)
    return tuple(r for r in later if not r.requests or not r.requests <= spared)


def weights_to_go(made: Sequence[Release], by: Callable[[Release], bool]) -> frozenset[str]:
    """Give the digests of all weights that such a release taints.

    Not of weights that a version has too which need not go, and may serve: they are that one's.
    """
    go = {r.version: any(map(by, taints(r.version, made))) for r in made}
    stay = {r.sha256 for r in made if not go[r.version]}
    return frozenset(r.sha256 for r in made if go[r.version]) - stay


def marks(entries: Iterable[Entry]) -> dict[int, Mark]:
    """Give the versions that a person marked as tainted."""
    told = (entry for entry in entries if entry.event == TAINTED)
    return {e.body["version"]: Mark(e.at, e.body.get("reason")) for e in told}


def marked(number: int, made: Sequence[Release], known: Mapping[int, Mark]) -> int | None:
    """Give the marked version that a version is, or was built upon; None if there is none.

    A version that was trained afresh is built upon nothing.
    """
    at: int | None = number
    while at is not None and at not in known:
        own = origin(at, made)
        at = own.parent if own and not own.exact else None
    return at


def blemish(number: int, made: Sequence[Release], known: Mapping[int, Mark]) -> str | None:
    """Say in words why a version must not serve; None if nothing is known against it."""
    found = marked(number, made, known)
    if found is not None:
        why = f", because: {known[found].reason}" if known[found].reason else ""
        built = "" if found == number else f"was built upon version {found}, which "
        return f"it {built}was marked as tainted on {known[found].at[:10]}{why}"
    by = [str(release.run) for release in taints(number, made)]
    if by:
        return (
            f"it is tainted by {', '.join(by)}: it learned from examples that are to be forgotten"
        )
    return None


def objections(entries: Sequence[Entry]) -> Iterator[str]:
    """Rollbacks to versions that must not have served, one line each; entries: the whole log."""
    for entry in entries:
        if entry.event == ROLLED_BACK:
            before = entries[: entry.seq - 1]
            why = blemish(entry.body["version"], releases(before), marks(before))
            if why:
                yield f"log: entry {entry.seq} put version {entry.body['version']} back, but {why}"
