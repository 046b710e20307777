"""A flow that works in a workspace waits for its turn; one that does not get it comes again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prefect.client.schemas.objects import State
from prefect.concurrency.sync import concurrency
from prefect.states import Completed, Failed

from tasks.running.holding import WorkspaceBusy, holding
from tasks.running.opened import Opened

BUSY = "Busy"
"""State of a run that did not get its turn. It is no failure: the runner begins another later."""

ALARM = "Alarm"
"""State of a run that found what a person has to look at."""

CHAMPION = "lethe-champion"
"""Prefect's limit on runs that may touch the champion."""

WAIT = 10.0
"""Seconds to wait for one's turn; whoever waits longer holds memory for nothing."""

LEASE = 60.0
"""Seconds after which Prefect gives away the slot of a holder that was killed."""


def in_turn(workspace: str, work: Callable[[Opened], Any]) -> Any:
    """Do the work while holding the workspace; a state that says Busy if another holds it."""
    try:
        with holding(workspace, wait=WAIT) as at:
            return work(at)
    except WorkspaceBusy:
        return _busy("another lethe is at work in this workspace")


def in_champions_turn(workspace: str, work: Callable[[Opened], Any]) -> Any:
    """Do the work as the only run that may touch the champion, while holding the workspace.

    A lease that cannot be renewed, since Prefect's server is away, ends no training: the lock and
    the compare-and-set at promotion hold without it.
    """
    try:
        with concurrency(
            CHAMPION,
            timeout_seconds=WAIT,
            lease_duration=LEASE,
            strict=True,
            raise_on_lease_renewal_failure=False,
        ):
            return in_turn(workspace, work)
    except TimeoutError:
        return _busy(f"another run has the slot of {CHAMPION}")


def _busy(why: str) -> State[Any]:
    return Completed(name=BUSY, message=f"{why}: another run follows")


def alarm(problems: list[str]) -> State[Any]:
    """Give the state of a run that failed because of what it found, in one line."""
    return Failed(name=ALARM, message="; ".join(problems))
