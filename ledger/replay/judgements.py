"""Candidates from outside: every judgement of one is an answer about who is to be forgotten.

Whoever may ask often enough can fit a candidate to the answers. So each is an entry of the log, and
all over one request are counted, whatever champion served and whatever policy they went by.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from ledger.chain import Entry

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


def _over(entries: Iterable[Entry], requests: Collection[str]) -> list[Entry]:
    return [e for e in entries if e.event == JUDGEMENT and e.body["request"] in requests]
