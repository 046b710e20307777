"""Before a deadline there are alarms, each once: an entry of the log and an event."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.events import DUE, tell
from flows.steps import step
from flows.turns import in_turn
from tasks.keeping import deadlines as steps
from tasks.running.opened import Opened

warn = step(steps.warn)


@flow(name="deadlines", validate_parameters=False, persist_result=False)
def deadlines(workspace: str) -> Any:
    """Warn of each open request 14, 7 and 2 days before its deadline, and when it is over."""

    def work(at: Opened) -> dict[str, Any]:
        alarms = warn(at)
        for one in alarms:
            tell(workspace, DUE, **one)
        return {"alarms": alarms}

    return in_turn(workspace, work)
