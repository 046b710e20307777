"""What a flow run that waits for a person asks of the workspace, which it leaves meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from systems.settings.workspace import Workspace
from tasks.approval.answering import Word, answer, note_suspended, waiting_with
from tasks.approval.words import WAITS, told
from tasks.running.holding import WorkspaceBusy, holding
from tasks.running.opened import Opened
from unlearning.errors import RequestDenied, UsageError

WAIT = 60.0
"""Seconds that a flow run waits for the workspace to write down what it was told."""


def say(path: Path, request: str, word: Word) -> tuple[str, bool]:
    """Log the answer that a flow run was given; say what is wrong with it, and if it was taken."""
    try:
        with holding(path, wait=WAIT) as at:
            answer(at, request, word)
    except (RequestDenied, UsageError, WorkspaceBusy) as problem:
        return f"This answer was not taken: {problem}\n\n", False
    return "", True


def asked_by(path: Path, flow_run: str) -> dict[str, Any] | None:
    """Give what a flow run asked before it was suspended, None where nothing of it is open.

    It is only read, so the lock is not needed.
    """
    at = Opened(str(Workspace.at(path).root), reading=True)
    run = waiting_with(at, flow_run)
    if run is None:
        return None
    return {"run": run.ref, "requests": list(run.requests), "decision": WAITS, **told(run)}


def note(path: Path, run: str, flow_run: str) -> None:
    """Log that a flow run waits for the answer on a run."""
    with holding(path, wait=WAIT) as at:
        note_suspended(at, run, flow_run)
