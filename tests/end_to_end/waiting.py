"""A flow as a deployment runs it, over a run about which persons are asked; it learns nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow

from flows.approval import until_answered
from flows.cli.work.opening import working
from ledger.replay.approvals import standing
from tasks.approval.asking import by_persons
from tasks.approval.words import WAITS, told
from tasks.running.run import Run


@flow(name="waiting", persist_result=False)
def waiting(workspace: str, run: str) -> dict[str, Any]:
    """Ask until there is an answer, and give what it makes of the run."""
    return until_answered(Path(workspace), lambda: stands(Path(workspace), run))


def stands(workspace: Path, ref: str) -> dict[str, Any]:
    with working(workspace) as at:
        run, found = Run(at, ref), standing(at.ledger.log.entries(), ref)
        assert found is not None
        decision = WAITS if found.pending else by_persons(found)
        return {"run": ref, "requests": list(run.requests), "decision": decision, **told(run)}
