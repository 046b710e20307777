"""How a step of a flow is a Prefect task: our journal remembers, Prefect does not."""

from __future__ import annotations

from typing import Any

from prefect import runtime, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from tasks.running.outside import may_recover

step = task(cache_policy=NO_CACHE, persist_result=False)
"""Done once: a training that failed is not paid for again by a machine's own decision."""


def again(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Whether a step that failed is tried again: in service only, a person does so himself."""
    if runtime.deployment.id is None:
        return False
    try:
        state.result()
    except Exception as problem:  # noqa: BLE001  # whatever it is, it is looked at, not passed on
        return may_recover(problem)
    return False


outside = task(
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=3,
    retry_delay_seconds=[2, 10, 30],
    retry_condition_fn=again,
)
"""A step whose effect lies in a system that may fail for a while: registry, remote. Each bears
repetition. It has no time limit, since what it moves grows with the data; its connections have."""
