"""A flow run of a Prefect server that waits for a person: suspended, it holds nothing meanwhile.

It is resumed in Prefect's UI, by a form that has no default but the question, or by `lethe
approve`. Both write the same entry of the log, and the log alone decides: a flow run that is
resumed looks there first.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from prefect.runtime import deployment, flow_run
from pydantic import Field

from tasks.approval.answering import Word
from tasks.approval.suspending import asked_by, note, say
from tasks.approval.words import WAITS

STAFF = r"^[A-Za-z0-9][\w .:/+\-]{1,63}$"


class Reply(RunInput):
    """What the person fills in; nobody is taken for granted, so nothing but override is given."""

    approve: bool = Field(description="Yes: release. No: nothing is released or erased.")
    reviewer: Annotated[
        str, Field(pattern=STAFF, description="Your role or staff reference; no e-mail address.")
    ]
    reason: Annotated[str, Field(min_length=3, description="Why; it is logged, so name nobody.")]
    override: bool = Field(default=False, description="Only where the question says so.")


def until_answered(workspace: Path, serve: Callable[[], Any]) -> Any:
    """Serve; while the answer is that a person is asked, suspend this flow run, and serve again.

    To be called from the flow that a deployment runs, outside of the workspace's lock. serve: takes
    the lock and serves, or goes on. Suspending ends the process; resumed, the flow begins from the
    top, and the log tells what it had asked. Without a deployment it ends with the question.
    """
    own = str(flow_run.id)
    asked = asked_by(workspace, own)
    if asked is not None and not deployment.id:
        return asked
    if asked is not None:  # resumed: the log knows already that this flow run waits for it
        _ask(workspace, asked)
    found = serve()
    while isinstance(found, dict) and found.get("decision") == WAITS and deployment.id:
        note(workspace, found["run"], own)
        _ask(workspace, found)
        found = serve()
    return found


def _ask(workspace: Path, found: dict[str, Any]) -> None:
    """Wait for an answer that can be taken, and log it; one that cannot is asked for again."""
    question, given = found["approval"]["question"], len(found["approval"]["given"])
    wrong, taken = "", False
    for tries in count():
        form = Reply.with_initial_data(description=f"{wrong}{question}")
        reply = suspend_flow_run(wait_for_input=form, key=f"{found['run']}-{given}-{tries}")
        word = Word(reply.reviewer, reply.reason, reply.approve, reply.override, "prefect")
        wrong, taken = say(workspace, found["requests"][0], word)
        if taken:
            return


def wake(flow: str, word: Word) -> bool:
    """Resume a flow run that waits for this word, which is logged already; False if none does.

    Nothing is lost then: the log has the answer, and the next run of the flow goes on by it.
    """
    reply = {
        "approve": word.approve,
        "reviewer": word.reviewer,
        "reason": word.reason,
        "override": word.override,
    }
    with get_client(sync_client=True) as client:
        found = client.read_flow_run(UUID(flow))
        if found.state is None or not found.state.is_paused():
            return False
        return client.resume_flow_run(UUID(flow), run_input=reply).status.value == "ACCEPT"
