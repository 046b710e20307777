"""A clock that goes back: the log's order is by number, and it tells itself where time did not.

Nothing is refused for it, since the clock may have been ahead before. But the law's dates are held
against the entries' times, so a time that lies before that of an earlier entry is said in the log
by an entry of its own; one of which nobody says so was not written by this ledger.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
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
