"""What serves is held against what was released, and whether the stores answer."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.events import ALARM, tell
from flows.steps import step
from flows.turns import alarm, in_turn
from tasks.keeping import reconcile as steps
from tasks.running.opened import Opened, looked_at

look = step(steps.look)
settle = step(steps.settle)


@flow(name="reconcile", validate_parameters=False, persist_result=False)
def reconcile(workspace: str) -> Any:
    """Find an alias that was moved by hand, a tainted champion and a store that does not answer."""
    at = looked_at(workspace)
    # (1) Look, without the lock: a run that trains for hours must not blind us.
    found = look(at)
    # (2) What the log does not tell yet is told, under the lock; by policy the alias is put back.
    if steps.differs(at, found):
        return in_turn(workspace, lambda held: _settled(workspace, held))
    return _concluded(workspace, {"problems": found.problems})


def _settled(workspace: str, at: Opened) -> Any:
    return _concluded(workspace, settle(at))


def _concluded(workspace: str, found: dict[str, Any]) -> Any:
    if not found["problems"]:
        return found
    tell(workspace, ALARM, problems=found["problems"])
    return alarm(found["problems"])
