"""A person's answer, logged; a flow run that waits for it goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flows.cli.work.opening import working
from tasks.approval.answering import Word, answer, suspended


def approve(path: Path, request: str, word: Word) -> dict[str, Any]:
    """Log the answer under the lock, then wake the flow run that waits for it, if one does."""
    with working(path, restoring=True) as at:
        found = answer(at, request, word)
        flow_run = suspended(at, str(found["run"]))
    if flow_run is None:
        return found
    from flows.approval import wake  # prefect: only who has a server waits for it

    return {**found, "flow_run": flow_run, "resumed": wake(flow_run, word)}
