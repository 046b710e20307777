"""What is said to be possible is done, and logged: a backup is restored, a training done again."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.steps import step
from flows.turns import in_turn
from tasks.keeping import drill as steps
from tasks.replaying import drawing

restored = step(steps.drill)
trained_again = step(drawing.replay_drawn)


@flow(name="restore-drill", validate_parameters=False, persist_result=False)
def drill(workspace: str) -> Any:
    """Restore the newest backup, or one that is made for it, and log what came of it."""
    return in_turn(workspace, restored)


@flow(name="replay", validate_parameters=False, persist_result=False)
def replay(workspace: str) -> Any:
    """Draw some of the released retrainings, do them again, and log what came of it."""
    return in_turn(workspace, trained_again)
