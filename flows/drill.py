"""A backup is restored elsewhere, verified, replayed, opened and thrown away."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.steps import step
from flows.turns import in_turn
from tasks.keeping import drill as steps

restored = step(steps.drill)


@flow(name="restore-drill", validate_parameters=False, persist_result=False)
def drill(workspace: str) -> Any:
    """Restore the newest backup, or one that is made for it, and log what came of it."""
    return in_turn(workspace, restored)
