"""What waits is served when it is time, as `lethe forget --all` would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow

from flows.approval import until_answered
from flows.events import ACCEPTED, tell
from flows.served import served
from flows.steps import step
from flows.turns import in_champions_turn
from tasks.keeping import collecting
from tasks.keeping.collecting import accepted
from tasks.running.opened import Opened

why_now = step(collecting.why_now)


@flow(name="due", validate_parameters=False, persist_result=False)
def due(workspace: str) -> Any:
    """Serve the requests that wait, in one run, if the policy's `collect` says that it is time.

    Where the policy sends a release to a person, this flow run is suspended until he has answered.
    """

    def work(at: Opened) -> dict[str, Any]:
        why = why_now(at)
        if why is None:
            return {"begun": False, "why": "nothing waits, or it is not time yet"}
        found = served(at, [], everything=True, within=True)
        others = {one.ref for one in accepted(at)} - {*found["requests"]}
        if others and not found["left"]:  # they came while a run that was cut off was gone on with
            tell(workspace, ACCEPTED, requests=len(others))
        return {"begun": True, "why": why, **found}

    return until_answered(Path(workspace), lambda: in_champions_turn(workspace, work))
