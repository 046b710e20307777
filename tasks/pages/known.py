"""What the log knows, laid out by request and by run, so that many pages cost one reading."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ledger.chain import Entry
from ledger.replay.lineage import Release, releases
from ledger.replay.purged import assured, purged_copies
from ledger.replay.upgrades import upgrades
from tasks.erasing.serving import also_serving
from tasks.running.opened import Opened


@dataclass(frozen=True)
class Known:
    """The log of a workspace. of_request: entries that name it; runs: those that served it.

    now: when the pages are made. upgraded: the entry by which a request's assurance has risen.
    serving: runs that a purging request waits for, with those that erased some of the same before.
    """

    at: Opened
    entries: Sequence[Entry]
    made: Sequence[Release]
    now: datetime
    of_request: Mapping[str, list[Entry]] = field(default_factory=dict)
    runs: Mapping[str, list[str]] = field(default_factory=dict)
    upgraded: Mapping[str, Entry] = field(default_factory=dict)
    serving: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def step(self, run: str | None, step: str) -> dict[str, Any]:
        """What a step of a run recorded; nothing if it was not done."""
        entry = self.entry(run, step)
        return {} if entry is None else dict(entry.body)

    def assurance(self, run: str | None) -> str:
        """What is assured of a run's examples by what is known of their copies now."""
        decided, copies = self.step(run, "decided"), purged_copies(self.entries, run)
        if copies is None:
            return "A0"
        level = decided.get("assurance", "A0")
        return str(assured(decided.get("decision"), level, copies))

    def entry(self, run: str | None, step: str) -> Entry | None:
        """The entry of a step of a run."""
        return self.at.ledger.log.find(f"{run}/{step}")


def known_of(at: Opened, now: datetime) -> Known:
    """Read the log once."""
    entries = at.ledger.log.entries()
    named: dict[str, list[Entry]] = defaultdict(list)
    served: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        for ref in _requests_of(entry):
            named[ref].append(entry)
            if entry.event in ("run_started", "linked"):
                served[ref].append(str(entry.body["run"]))
    risen, serving = upgrades(entries), also_serving(at)
    return Known(at, entries, releases(entries), now, named, served, risen, serving)


def _requests_of(entry: Entry) -> list[str]:
    one, many = entry.body.get("request"), entry.body.get("requests")
    if isinstance(one, str):
        return [one]
    return [str(ref) for ref in many] if isinstance(many, list) else []


def day(moment: str | datetime | None) -> str | None:
    """Show a moment to the minute, in the zone that it is told in."""
    if moment is None:
        return None
    found = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return f"{found:%Y-%m-%d %H:%M}"


def link(words: object, page: str) -> dict[str, str]:
    """Words that lead to another page."""
    return {"words": str(words), "page": page}


PART = 250
"""Entries of the log on one page."""


def page_of_entry(seq: int, root: str = "") -> dict[str, str]:
    """Lead to an entry of the log."""
    return link(seq, f"{root}log/{1 + (seq - 1) // PART}.html#e{seq}")
