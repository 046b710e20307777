"""Requests that were served approximately, once an exact release has followed.

What was trained exactly after their examples were erased never saw them: from then on lineage
assures what had only been measured. Each is told by one entry, which this module finds to be due
and holds to the rest of the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.chain import Entry
from ledger.replay.ancestry import BUILT, BY_ANCESTORS, base_of
from ledger.replay.drift import PROMOTED

UPGRADED = "upgraded"
"""Event: a completed request's assurance rose from approximate to exact, and by which run."""

APPROXIMATE, EXACT = "A2", "A3"


@dataclass(frozen=True)
class Upgrade:
    """A request, the run that served it approximately, and the exact release that followed.

    version, sha256: what that run released.
    """

    request: str
    served: str
    by: str
    version: int
    sha256: str

    def body(self) -> dict[str, Any]:
        """Give it as the log tells it; its key is `key`."""
        levels = {"from": APPROXIMATE, "assurance": EXACT}
        told = {"request": self.request, "served": self.served, "by": self.by}
        return {**told, "version": self.version, "sha256": self.sha256, **levels}

    @property
    def key(self) -> str:
        """The key of its entry: one for each request, however often it is found to be due."""
        return f"{self.request}/{UPGRADED}"


class _Told:
    """What these entries say of requests and runs."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.of: dict[str, Entry] = {}
        self.runs: dict[str, set[str]] = {}
        self.complete: set[str] = set()
        self.bases: dict[str, Entry] = {}
        self.promoted: list[str] = []
        for entry in entries:
            self.take(entry)

    def take(self, entry: Entry) -> None:
        """Read one more entry."""
        body = entry.body
        self.of[entry.key] = entry
        if entry.key.endswith(PROMOTED):
            self.promoted.append(entry.key.removesuffix(PROMOTED))
        elif entry.event == "run_started":
            for ref in body["requests"]:
                self.runs.setdefault(str(ref), set()).add(str(body["run"]))
        elif entry.event in ("linked", "submitted") and body.get("run"):
            self.runs.setdefault(str(body["request"]), set()).add(str(body["run"]))
        elif entry.event == "moved" and body.get("state") == "complete":
            self.complete.add(str(body["request"]))
        elif entry.event == BUILT:
            self.bases[str(body["sha256"])] = entry

    def step(self, run: str, step: str) -> Entry | None:
        return self.of.get(f"{run}/{step}")

    def body(self, run: str, step: str) -> Mapping[str, Any]:
        entry = self.step(run, step)
        return {} if entry is None else entry.body

    def released(self, level: str) -> list[str]:
        """Give the runs that released with this assurance, the earliest first."""
        return [run for run in self.promoted if self.body(run, "decided").get("assurance") == level]


def due(entries: Sequence[Entry]) -> list[Upgrade]:
    """Give the upgrades that the log owes: complete, approximate, and exact releases followed."""
    told = _Told(entries)
    approximate, exact = told.released(APPROXIMATE), told.released(EXACT)
    if not approximate or not exact:
        return []
    found = []
    for ref in sorted(told.complete):
        served = next((r for r in approximate if r in told.runs.get(ref, ())), None)
        if served is not None and f"{ref}/{UPGRADED}" not in told.of:
            by = next((run for run in exact if not _unfit(told, ref, served, run)), None)
            found += [] if by is None else [_upgrade(told, ref, served, by)]
    return found


def _upgrade(told: _Told, ref: str, served: str, by: str) -> Upgrade:
    made = told.body(by, "promoted")
    return Upgrade(ref, served, by, int(made["version"]), str(made["sha256"]))


def objections(entries: Sequence[Entry]) -> Iterator[str]:
    """Upgrades that the log does not bear out, one line each; entries: the whole log."""
    told = _Told()
    for entry in entries:
        why = _wrong(told, entry) if entry.event == UPGRADED else None
        if why:
            yield f"log: entry {entry.seq} upgrades {entry.body.get('request')}, but {why}"
        told.take(entry)


def _wrong(told: _Told, entry: Entry) -> str | None:
    body = entry.body
    ref, served, by = (str(body.get(name)) for name in ("request", "served", "by"))
    if ref not in told.complete:
        return "it was not complete"
    if served not in told.runs.get(ref, ()) or served not in told.released(APPROXIMATE):
        return f"{served} did not serve it approximately"
    if by not in told.released(EXACT):
        return f"{by} had not released what was trained exactly"
    why = _unfit(told, ref, served, by)
    if why is None and (entry.key, dict(body)) != _as_told(_upgrade(told, ref, served, by)):
        why = f"it says something else than {by} released"
    return why


def _as_told(upgrade: Upgrade) -> tuple[str, dict[str, Any]]:
    return upgrade.key, upgrade.body()


def _unfit(told: _Told, ref: str, served: str, by: str) -> str | None:
    """Say why an exact release does not follow on a request's erasure; None if it does."""
    erased, extracted = told.step(served, "erased"), told.step(by, "extracted")
    before, after = told.step(served, "promoted"), told.step(by, "promoted")
    if before is None or after is None or after.seq < before.seq:
        return f"{by} released before {served}"
    if erased is None or extracted is None or extracted.seq < erased.seq:
        return f"{by} found its data before {served} had erased the examples"
    lineage = extracted.body.get("lineage") or {}
    shards = (told.body(served, "extracted").get("lineage") or {}).get("shards", {}).get(ref)
    for name in _ancestors(told, by, lineage):
        built = told.bases.get(name)
        if built is None or (built.seq < erased.seq and _may_have_seen(built, ref, shards)):
            return f"{by} began from base {name[:16]}, which may have learned from its examples"
    return None


def _ancestors(told: _Told, by: str, lineage: Mapping[str, Any]) -> list[str]:
    """Give the bases that an exact release began from; none where it was trained from nothing."""
    if told.body(by, "decided").get("method") not in BY_ANCESTORS:
        return []
    return [str(name) for name in lineage.get("ancestors") or ()]


def _may_have_seen(built: Entry, ref: str, shards: Sequence[str] | None) -> bool:
    return shards is None or base_of(built.body).saw({ref: shards})


def upgrades(entries: Iterable[Entry]) -> dict[str, Entry]:
    """Give the entry that upgraded a request, for each that was."""
    return {str(e.body["request"]): e for e in entries if e.event == UPGRADED}


def upgraded_by(entries: Iterable[Entry], run: str) -> list[str]:
    """Give the requests that a run's release has upgraded."""
    return sorted(ref for ref, e in upgrades(entries).items() if e.body["by"] == run)
