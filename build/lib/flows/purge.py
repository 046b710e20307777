"""Copies whose time has come are erased, and requests that have none left are complete."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.steps import outside
from flows.turns import in_champions_turn
from tasks.keeping import purging

purge_due = outside(purging.purge_due)


@flow(name="purge", validate_parameters=False, persist_result=False)
def purge(workspace: str) -> Any:
    """Erase the copies that are due, complete what has none left, and list those that remain."""
    return in_champions_turn(workspace, purge_due)
