"""Which runs erased what a request names: its end waits for all of them, not for the last alone.

The log tells of one run. A request may name somebody whom an earlier run erased, of which a copy
outside is not confirmed yet, and be served by another, or go with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ledger import suppression
from ledger.domain import State
from ledger.suppression import Suppression
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from unlearning.errors import InfrastructureError


def serving_runs(at: Opened, refs: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """Name the runs that serve each request, the log's own first; none of another workspace.

    What has ended, or was lost, names nobody any more: then the log's run is all there is.
    """
    listed = suppression.load(at.ws.records, at.ws.keys)
    return {ref: tuple(dict.fromkeys(_serving(at, ref, listed))) for ref in refs}


def _serving(at: Opened, ref: str, listed: Suppression) -> Iterator[str]:
    request = at.ledger.request(ref)
    if request.run:
        yield request.run
    if request.state.terminal or at.ledger.lost(ref) is not None:
        return
    erased = listed.erasers(at.ledger.selector(ref))
    yield from (run for run in erased if at.ledger.log.find(f"{run}/started"))


def also_serving(at: Opened) -> Mapping[str, tuple[str, ...]]:
    """Name the runs that the purging requests wait for, to be shown: as far as the keys are there.

    Who only looks at a workspace may have none of them, and is told of the log's own runs.
    """
    purging = [r.ref for r in at.ledger.requests(None, utc_now()) if r.state is State.PURGING]
    try:
        return serving_runs(at, purging) if purging else {}
    except InfrastructureError:
        return {}
