"""What was received is settled within seconds, unless somebody is at work: then he does it."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.events import ACCEPTED, tell
from flows.turns import in_turn
from tasks.keeping.collecting import accepted
from tasks.running.opened import Opened


@flow(name="intake", validate_parameters=False, persist_result=False)
def intake(workspace: str) -> Any:
    """Accept, link, hold or deny what waits in the inbox, as everybody does who gets his turn."""

    def work(at: Opened) -> dict[str, Any]:
        count = len(accepted(at))
        if count:  # whether it is time for a run, the policy says
            tell(workspace, ACCEPTED, requests=count)
        return {"accepted": count}

    return in_turn(workspace, work)
