"""What was received is settled within seconds, unless somebody is at work: then he does it."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.turns import in_turn
from tasks.requests.receive import left


@flow(name="intake", validate_parameters=False, persist_result=False)
def intake(workspace: str) -> Any:
    """Accept, link, hold or deny what waits in the inbox, as everybody does who gets his turn."""
    return in_turn(workspace, lambda at: {"waiting": left(at)})
