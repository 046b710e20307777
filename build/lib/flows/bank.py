"""The shadow bank is complete before a run needs it."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.steps import step
from flows.turns import in_turn
from tasks.keeping import bank as steps

complete = step(steps.complete)


@flow(name="bank", validate_parameters=False, persist_result=False)
def bank(workspace: str) -> Any:
    """Complete the shadow bank, or build it again where it lacks what the policy asks."""
    return in_turn(workspace, complete)
