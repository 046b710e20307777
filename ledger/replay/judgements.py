"""Candidates from outside: every judgement of one is an answer about who is to be forgotten.

Whoever may ask often enough can fit a candidate to the answers. So each is an entry of the log, and
all over one request are counted, whatever champion served and whatever policy they went by. A part
of a request was asked about with all of it, until it was taken from it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

from ledger.chain import Entry
from ledger.domain import JUDGED_WITH

ERROR = 0.05
"""What all candidates of a request may err in together: one attempt's share, by 95 % intervals."""

JUDGEMENT = "judgement"
"""Event of the log: a candidate that no run made was judged by a request."""


class Judged:
    """What a log says of judgements and of parts, read once for many requests."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        """Find each request's judgements, and how each part was taken."""
        self._last = entries[-1].seq if entries else 0
        self._taken = {str(e.body.get("request")): e for e in entries if JUDGED_WITH in e.body}
        self._by = defaultdict[str, list[Entry]](list)
        for entry in entries:
            if entry.event == JUDGEMENT:
                self._by[str(entry.body["request"])].append(entry)

    def wholes(self, request: str) -> dict[str, int]:
        """Give a request and those that it was taken from as a part, each with a number.

        Up to the entry of that number, who judged by it judged by all that this one names.
        """
        asked, upto = request, self._last
        found = {asked: upto}
        while (part := self._taken.get(asked)) is not None and part.seq <= upto:
            asked, upto = str(part.body[JUDGED_WITH]), part.seq - 1
            found[asked] = max(found.get(asked, 0), upto)
        return found

    def over(self, request: str) -> list[Entry]:
        """Give the judgements by a request's examples."""
        wholes = self.wholes(request).items()
        return [entry for asked, upto in wholes for entry in self._own(asked, upto)]

    def levels(self, request: str, upto: int | None = None) -> dict[str, float]:
        """Give the level of the intervals that each candidate was judged at, by SHA-256.

        Not of those by which it was judged as a part: of fewer examples the answer is another one.
        Older entries do not tell it: the n-th candidate had at most an (n+1)-th of one attempt's
        error. upto: the number of the last entry that counts.
        """
        found = dict[str, float]()
        for entry in self._own(request, self._last if upto is None else upto):
            level = entry.body.get("level", 1 - ERROR / (len(found) + 2))
            found.setdefault(str(entry.body["candidate"]), float(level))
        return found

    def _own(self, request: str, upto: int) -> Iterator[Entry]:
        return (entry for entry in self._by.get(request, ()) if entry.seq <= upto)


def judgements(entries: Sequence[Entry], requests: Collection[str]) -> dict[str, int]:
    """Count the judgements of each request; those that have none are left out."""
    judged = Judged(entries)
    counts = {request: len(judged.over(request)) for request in requests}
    return {request: count for request, count in counts.items() if count}


def levels_outside(entries: Sequence[Entry], request: str) -> dict[str, float]:
    """Give the level that each candidate from outside was judged at, by SHA-256 (`levels`)."""
    return Judged(entries).levels(request)
