"""A hold comes in time: no run that is under way may still erase what it is to keep."""

from __future__ import annotations

from tasks.requests.asked import open_requests
from tasks.running.opened import Opened
from tasks.running.run import Run
from unlearning.errors import RequestDenied


def require_untouched(at: Opened, ref: str) -> None:
    """RequestDenied if an unfinished run of others is to erase some of what a request names."""
    named = next((one.all_ids for one in open_requests(at).asked if one.ref == ref), frozenset())
    for run, refs in at.ledger.unfinished_runs().items():
        found = Run(at, run)
        if ref not in refs and found.done("extracted") and not named.isdisjoint(found.all_ids()):
            raise RequestDenied(
                f"request {ref}: run {run} is to erase some of what it names, expected no such "
                f"run: leave it first with `lethe abort {run} --reason TEXT`; one that has "
                f"released something cannot be left: `lethe forget {' '.join(refs)}`"
            )
