"""A copy of the records is verified, as it would have to be after a restore."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.steps import step
from flows.turns import in_turn
from tasks.keeping import drill as steps

verify_copy = step(steps.drill)


@flow(name="restore-drill", validate_parameters=False, persist_result=False)
def drill(workspace: str) -> Any:
    """Copy the records elsewhere, verify the log there, and log that it was done."""
    return in_turn(workspace, verify_copy)
