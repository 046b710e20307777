"""Attempts of earlier runs over the same requests: every candidate is one more chance to err.

Whoever repeats a run until a gate errs must be found out, so the log counts: over all runs that
share a request and began from the same champion, whatever policy they went by. Candidates from
outside that were judged by one of the requests were chances too.

An approximate candidate judged at level L lets a bad one pass with a chance of 1 - L at most. What
one request's candidates spent so, from whatever champion, adds up (the union bound), and what is
left of ERROR is all that its next run has to share out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from math import fsum

from ledger.chain import Entry
from ledger.replay.judgements import ERROR, judged_outside, judged_with, levels_outside

DIGITS = 12
"""Decimals of an error: what is nothing in them is nothing."""


@dataclass(frozen=True)
class Earlier:
    """Candidates that were judged before.

    attempts: those of runs. approximate: those of them that could pass by luck. outside: those that
    no run made. spent: the error of all that could pass by luck, over that request of which it is
    most; None in a run of before it was counted, whose attempts alone shared ERROR with these.
    """

    attempts: int = 0
    approximate: int = 0
    outside: int = 0
    spent: float | None = None

    @property
    def left(self) -> float:
        """What is left of ERROR; where nobody counted what was spent, all of it."""
        return max(0.0, round(ERROR - (self.spent or 0.0), DIGITS))


def earlier_attempts(
    entries: Sequence[Entry], requests: Collection[str], parent: str, exact: Collection[str]
) -> Earlier:
    """Count the judged candidates in these entries over any of these requests.

    entries: the log before the run began. parent: SHA-256 of the champion that it began from.
    exact: the methods that cannot pass by luck. A method that gave no candidate had no chance.
    """
    found, upto = {entry.key: entry for entry in entries}, judged_with(entries, requests)
    runs = [
        entry.body["run"]
        for entry in entries
        if entry.event == "run_started"
        and any(entry.seq <= upto.get(request, 0) for request in entry.body["requests"])
    ]
    methods = [
        method for run in runs if _parent(found, run) == parent for method in _judged(found, run)
    ]
    approximate = sum(method not in exact for method in methods)
    spent = max((error_spent(entries, request, exact) for request in requests), default=0.0)
    return Earlier(len(methods), approximate, len(judged_outside(entries, requests)), spent)


def error_spent(entries: Sequence[Entry], request: str, exact: Collection[str]) -> float:
    """Add up what candidates judged by a request could have erred in, by these entries."""
    levels = list[float]()
    for asked, upto in judged_with(entries, [request]).items():
        by_then = [entry for entry in entries if entry.seq <= upto]
        levels += levels_outside(by_then, asked).values()
        levels += _levels_of_runs(by_then, asked, exact)
    return round(fsum(1 - level for level in levels), DIGITS)


def _levels_of_runs(
    entries: Sequence[Entry], request: str, exact: Collection[str]
) -> Iterator[float]:
    """Give the level of each candidate of a run over a request that could pass by luck."""
    found = {entry.key: entry for entry in entries}
    for entry in entries:
        if entry.event == "run_started" and request in entry.body["requests"]:
            run = entry.body["run"]
            tried = sum(method not in exact for method in _judged(found, run))
            yield from [_level(found, run)] * tried


def _level(found: dict[str, Entry], run: str) -> float:
    """Give the level of a run's intervals, which leaving rungs out makes another."""
    told = [found[f"{run}/{s}"].body for s in ("extracted", "begun") if f"{run}/{s}" in found]
    return float(next((body["level"] for body in told if "level" in body), 1 - ERROR))


def _parent(found: dict[str, Entry], run: str) -> object:
    begun = found.get(f"{run}/begun")
    return None if begun is None else begun.body.get("parent_sha256")


def _judged(found: dict[str, Entry], run: str) -> Iterator[str]:
    """Methods of a run's candidates that were judged, in order."""
    number = 0
    while (judged := found.get(f"{run}/judged-{number}")) is not None:
        if judged.body.get("sha256") is not None:
            made = found.get(f"{run}/unlearned-{number}")
            yield str(made.body.get("method") if made else None)
        number += 1
