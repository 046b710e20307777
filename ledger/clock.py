"""A clock that goes back: the log's order is by number, and it tells itself where time did not.

Nothing is refused for it, since the clock may have been ahead before. But the law's dates are held
against the entries' times, so a time that lies before that of an earlier entry is said in the log
by an entry of its own; one of which nobody says so was not written by this ledger, or by one of
before. Of such a one a person may tell afterwards, with a reason. That takes no deadline back: what
had to be done by a day is held against the clock from before it went back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from ledger.chain import Entry

WENT_BACK = "time_went_back"
"""Event of the log: the time of `entry`, a number, lies before that of an entry before it."""

TOLD_FROM = timedelta(hours=1)
"""By how much, before it is told: less are two machines apart, or one while a command lasts."""

ALLOWED = timedelta(days=1)
"""By how much, before an entry of which nothing is told is wrong: the law counts days."""


def untold(newest: Sequence[Entry]) -> Iterator[Entry]:
    """Give those of the newest entries whose time went back, untold; newest: the last one first."""
    told = {entry.body.get("entry") for entry in newest if entry.event == WENT_BACK}
    for later, earlier in pairwise(newest):
        gone = datetime.fromisoformat(earlier.at) - datetime.fromisoformat(later.at)
        if gone > TOLD_FROM and later.seq not in told:
            yield later


SOON = 8
"""By how many entries later the ledger itself tells of one; a crash may have come in between."""


@dataclass(frozen=True)
class Told:
    """Entries, by their numbers, of which it is told that their time went back.

    at_once: by the ledger. later: by a person, who gave a reason; the entry that says so.
    """

    at_once: frozenset[int]
    later: Mapping[int, Entry]

    def __contains__(self, seq: int) -> bool:
        """Whether anybody tells of an entry."""
        return seq in self.at_once or seq in self.later


def told(entries: Iterable[Entry]) -> Told:
    """Give what a log tells of its clock; what comes late and without a reason tells nothing."""
    at_once, later = set[int](), dict[int, Entry]()
    for entry in entries:
        seq = entry.body.get("entry") if entry.event == WENT_BACK else None
        if isinstance(seq, int) and seq < entry.seq:
            if entry.body.get("reason"):
                later.setdefault(seq, entry)
            elif entry.seq - seq <= SOON:
                at_once.add(seq)
    return Told(frozenset(at_once), later)


def jumps(entries: Sequence[Entry]) -> Iterator[Entry]:
    """Give the entries whose time went back by more than is allowed, and of which nobody tells."""
    known, latest = told(entries), datetime.min.replace(tzinfo=UTC)
    for entry in entries:
        at = datetime.fromisoformat(entry.at)
        if latest - at > ALLOWED and entry.seq not in known:
            yield entry
            latest = at
        latest = at if entry.seq in known else max(at, latest)


def turned(entries: Iterable[Entry], known: Told) -> dict[int, datetime]:
    """Give what the clock had come to before it went back, by the entries told of afterwards.

    Only of those whose time did go back; a time that is none is passed over.
    """
    found, latest = dict[int, datetime](), datetime.min.replace(tzinfo=UTC)
    for entry in entries:
        try:
            at = datetime.fromisoformat(entry.at)
            behind = at <= latest
        except (ValueError, TypeError):
            continue
        if behind and entry.seq in known.later:
            found[entry.seq] = latest
        if not behind or entry.seq in known:
            latest = at
    return found


def come_to(turns: Mapping[int, datetime], since: int, now: datetime) -> datetime:
    """Give the moment that counts for what began with entry `since`: now, or what came before.

    What began after the clock went back was never due by the clock of before.
    """
    return max([now, *(came for seq, came in turns.items() if seq > since)])
