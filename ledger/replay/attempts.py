"""Attempts of earlier runs over the same requests: every candidate is one more chance to err.

Whoever repeats a run until a gate errs must be found out, so the log counts: over all runs that
share a request and began from the same champion, whatever policy they went by. Candidates from
outside that were judged by one of the requests were chances too.

An approximate candidate judged at level L lets a bad one pass with a chance of 1 - L at most. What
one request's candidates spent so, from whatever champion, adds up (the union bound), and what is
left of ERROR is all that its next run has to share out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from math import fsum

from ledger.chain import Entry
from ledger.replay.judgements import ERROR, Judged

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
    return Attempts(entries, exact).earlier(requests, parent)


class Attempts:
    """What a log says of judged candidates, read once for many requests.

    exact: the methods that cannot pass by luck.
    """

    def __init__(self, entries: Sequence[Entry], exact: Collection[str]) -> None:
        """Find each request's runs and judgements."""
        self._exact, self._judged = exact, Judged(entries)
        self._found = {entry.key: entry for entry in entries}
        self._runs = defaultdict[str, list[Entry]](list)
        for entry in entries:
            if entry.event == "run_started":
                for request in set(entry.body["requests"]):
                    self._runs[request].append(entry)

    def earlier(self, requests: Collection[str], parent: str) -> Earlier:
        """Count the candidates over any of these requests; those of runs from one champion."""
        runs = {run for request in requests for run in self._over(request)}
        from_it = [run for run in runs if _parent(self._found, run) == parent]
        methods = [method for run in from_it for method in _judged(self._found, run)]
        approximate = sum(method not in self._exact for method in methods)
        # The same bytes get the same answer: asking again is no further chance to err.
        outside = {e.body["candidate"] for one in requests for e in self._judged.over(one)}
        spent = max(map(self.error_spent, requests), default=0.0)
        return Earlier(len(methods), approximate, len(outside), spent)

    def error_spent(self, request: str) -> float:
        """Add up what candidates judged by a request could have erred in."""
        levels = list[float]()
        for asked, upto in self._judged.wholes(request).items():
            levels += self._judged.levels(asked, upto).values()
        for run in self._over(request):
            tried = sum(method not in self._exact for method in _judged(self._found, run))
            levels += [_level(self._found, run)] * tried
        return round(fsum(1 - level for level in levels), DIGITS)

    def _over(self, request: str) -> Iterator[str]:
        """Give the runs over a request, and over what it was a part of by then."""
        for asked, upto in self._judged.wholes(request).items():
            started = (entry for entry in self._runs.get(asked, ()) if entry.seq <= upto)
            yield from (entry.body["run"] for entry in started)


def error_spent(entries: Sequence[Entry], request: str, exact: Collection[str]) -> float:
    """Add up what candidates judged by a request could have erred in, by these entries."""
    return Attempts(entries, exact).error_spent(request)


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
