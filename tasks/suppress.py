"""Before the examples go, they are listed, so that they are never taken in again (I7)."""

from __future__ import annotations

from typing import Any

from ledger import suppression
from ledger.domain import State
from systems.data import loading
from tasks.running.run import Run


def suppress_examples(run: Run) -> dict[str, Any]:
    """List the examples so that they are never taken in again, before they are gone (I7)."""
    run.move(State.PURGING)
    return run.once("suppressed", lambda: _suppress(run))


def _suppress(run: Run) -> dict[str, Any]:
    ws = run.at.ws
    added = suppression.add(ws.records, ws.keys, loading.image_digests(ws, run.all_ids()))
    return {"added": added}
