"""Attempts of earlier runs over the same requests: every candidate is one more chance to err.

Whoever repeats a run until a gate errs must be found out, so the log counts: over all runs that
share a request and began from the same champion, whatever policy they went by. Candidates from
outside that were judged by one of the requests were chances too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from ledger.chain import Entry
from ledger.replay.judgements import judged_outside


@dataclass(frozen=True)
class Earlier:
    """Candidates that were judged before.

    attempts: those of runs. approximate: those of them that could pass by luck. outside: those that
    no run made.
    """

    attempts: int = 0
    approximate: int = 0
    outside: int = 0


def earlier_attempts(
    entries: Sequence[Entry], requests: Collection[str], parent: str, exact: Collection[str]
) -> Earlier:
    """Count the judged candidates in these entries over any of these requests.

    entries: the log before the run began. parent: SHA-256 of the champion that it began from.
    exact: the methods that cannot pass by luck. A method that gave no candidate had no chance.
    """
    found = {entry.key: entry for entry in entries}
    runs = [e.body for e in entries if e.event == "run_started"]
    methods = [
        method
        for body in runs
        if not set(requests).isdisjoint(body["requests"]) and _parent(found, body["run"]) == parent
        for method in _judged(found, body["run"])
    ]
    approximate = sum(method not in exact for method in methods)
    return Earlier(len(methods), approximate, len(judged_outside(entries, requests)))


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
