"""What serves is held against what was released, and whether the stores answer."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.events import ALARM, tell
from flows.steps import step
from flows.turns import alarm, in_champions_turn, in_turn
from tasks.connectors.asking import due_runs
from tasks.keeping import reconcile as steps
from tasks.keeping.purging import purge_due
from tasks.running.opened import Opened, looked_at
from tasks.running.records import utc_now

look = step(steps.look)
settle = step(steps.settle)


@flow(name="reconcile", validate_parameters=False, persist_result=False)
def reconcile(workspace: str) -> Any:
    """Find an alias that was moved by hand, a tainted champion and a store that does not answer."""
    at = looked_at(workspace)
    # (1) Look, without the lock: a run that trains for hours must not blind us.
    found = look(at)
    # (2) Places outside that still hold copies are asked again when it is time.
    if due_runs(at, utc_now()):
        in_champions_turn(workspace, purge_due)
    # (3) What the log does not tell yet is told, under the lock; by policy the alias is put back.
    if steps.differs(at, found):
        return in_turn(workspace, lambda held: _settled(workspace, held))
    return _concluded(workspace, steps.answer(found))


def _settled(workspace: str, at: Opened) -> Any:
    return _concluded(workspace, settle(at))


def _concluded(workspace: str, found: dict[str, Any]) -> Any:
    if not found["problems"]:
        return found
    tell(workspace, ALARM, problems=found["problems"])
    return alarm(found["problems"])
