"""Candidates from outside: every judgement of one is an answer about who is to be forgotten.

Whoever may ask often enough can fit a candidate to the answers. So each is an entry of the log, and
all over one request are counted, whatever champion served and whatever policy they went by.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from ledger.chain import Entry

ERROR = 0.05
"""What all candidates of a request may err in together: one attempt's share, by 95 % intervals."""

JUDGEMENT = "judgement"
"""Event of the log: a candidate that no run made was judged by a request."""


def judgements(entries: Iterable[Entry], requests: Collection[str]) -> dict[str, int]:
    """Count the judgements of each request; those that have none are left out."""
    return dict(Counter(str(entry.body["request"]) for entry in _over(entries, requests)))


def judged_outside(entries: Iterable[Entry], requests: Collection[str]) -> frozenset[str]:
    """Give the candidates that were judged by any of the requests, by SHA-256.

    The same bytes get the same answer, so that asking again is no further chance to err.
    """
    return frozenset(str(entry.body["candidate"]) for entry in _over(entries, requests))


def levels_outside(entries: Iterable[Entry], request: str) -> dict[str, float]:
    """Give the level of the intervals that each candidate from outside was judged at, by SHA-256.

    Older entries do not tell it: the n-th candidate had at most an (n+1)-th of one attempt's error.
    """
    found = dict[str, float]()
    for entry in _over(entries, [request]):
        level = entry.body.get("level", 1 - ERROR / (len(found) + 2))
        found.setdefault(str(entry.body["candidate"]), float(level))
    return found


def _over(entries: Iterable[Entry], requests: Collection[str]) -> list[Entry]:
    return [e for e in entries if e.event == JUDGEMENT and e.body["request"] in requests]
