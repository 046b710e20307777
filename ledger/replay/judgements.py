"""Candidates from outside: every judgement of one is an answer about who is to be forgotten.

Whoever may ask often enough can fit a candidate to the answers. So each is an entry of the log, and
all over one request are counted, whatever champion served and whatever policy they went by. A part
of a request was asked about with all of it, until it was taken from it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ledger.chain import Entry
from ledger.domain import JUDGED_WITH

ERROR = 0.05
"""What all candidates of a request may err in together: one attempt's share, by 95 % intervals."""

JUDGEMENT = "judgement"
"""Event of the log: a candidate that no run made was judged by a request."""


def judged_with(entries: Sequence[Entry], requests: Collection[str]) -> dict[str, int]:
    """Give these requests and those that they were taken from as parts, each with a number.

    Up to the entry of that number, who judged by it judged by all that one of these names.
    """
    taken = {str(e.body.get("request")): e for e in entries if JUDGED_WITH in e.body}
    found = dict[str, int]()
    for request in requests:
        upto, asked = entries[-1].seq if entries else 0, request
        found[asked] = upto
        while (part := taken.get(asked)) is not None and part.seq <= upto:
            upto, asked = part.seq - 1, str(part.body[JUDGED_WITH])
            found[asked] = max(found.get(asked, 0), upto)
    return found


def judgements(entries: Sequence[Entry], requests: Collection[str]) -> dict[str, int]:
    """Count the judgements of each request; those that have none are left out."""
    told = [e for e in entries if e.event == JUDGEMENT or JUDGED_WITH in e.body]
    counts = {request: len(_over(told, [request])) for request in requests}
    return {request: count for request, count in counts.items() if count}


def judged_outside(entries: Sequence[Entry], requests: Collection[str]) -> frozenset[str]:
    """Give the candidates that were judged by any of the requests, by SHA-256.

    The same bytes get the same answer, so that asking again is no further chance to err.
    """
    return frozenset(str(entry.body["candidate"]) for entry in _over(entries, requests))


def levels_outside(entries: Sequence[Entry], request: str) -> dict[str, float]:
    """Give the level of the intervals that each candidate from outside was judged at, by SHA-256.

    Not of those by which it was judged as a part: of fewer examples the answer is another one.
    Older entries do not tell it: the n-th candidate had at most an (n+1)-th of one attempt's error.
    """
    found = dict[str, float]()
    for entry in (e for e in entries if e.event == JUDGEMENT and e.body["request"] == request):
        level = entry.body.get("level", 1 - ERROR / (len(found) + 2))
        found.setdefault(str(entry.body["candidate"]), float(level))
    return found


def _over(entries: Sequence[Entry], requests: Collection[str]) -> list[Entry]:
    upto = judged_with(entries, requests)
    judged = (entry for entry in entries if entry.event == JUDGEMENT)
    return [entry for entry in judged if entry.seq <= upto.get(str(entry.body["request"]), 0)]
