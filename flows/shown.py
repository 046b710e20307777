"""What Prefect's pages show of a run: its reference as its name, its attempts, how far it is.

It is made of the log and the records, as what MLflow shows. That it cannot be shown ends no run.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run

from tasks.running import progress
from tasks.running.run import Run
from tasks.showing.figures import verdict_rows
from tasks.showing.runs import note_of_run
from tasks.unlearn import Attempt, attempts_done

Parameters = ParamSpec("Parameters")

PAUSE = 2.0
"""Seconds between two looks at a training that Prefect is told of."""


def _shows(work: Callable[Parameters, None]) -> Callable[Parameters, None]:
    @wraps(work)
    def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        if not flow_run.id:
            return
        try:
            work(*args, **kwargs)
        except Exception as problem:  # noqa: BLE001  # Prefect executes; the log remembers
            logging.getLogger(__name__).warning(
                "Prefect was not told of %s (%s)", work.__name__, type(problem).__name__
            )

    return call


@_shows
def name_run(run: Run) -> None:
    """Name the flow run by the run that it works on."""
    with get_client(sync_client=True) as client:
        client.update_flow_run(flow_run.id, name=run.ref)


@_shows
def show_run(run: Run) -> None:
    """Show what was asked, what each attempt got from each gate, and what came of it."""
    create_markdown_artifact(note_of_run(run, linked=False), key=run.ref, description=run.ref)
    rows = verdict_rows(attempts_done(run))
    if rows:
        create_table_artifact(rows, key=f"{run.ref}-verdicts", description="what each gate said")


@_shows
def show_question(run: Run, found: Mapping[str, Any]) -> None:
    """Show what a person is asked."""
    approval = found.get("approval")
    if approval:
        key = f"{run.ref}-question"
        create_markdown_artifact(approval["question"], key=key, description="waits for a person")


@contextmanager
def training(run: Run, attempt: Attempt) -> Iterator[None]:
    """Show how far the training of a candidate is, also to whoever looks already."""
    with progress.shown_also(_Bar(run, attempt).epochs):
        yield


class _Bar:
    """A progress artifact that begins with the first epoch and ends with the last."""

    def __init__(self, run: Run, attempt: Attempt) -> None:
        self._key, self._words = f"{run.ref}-training", attempt.label
        self._made: Any = None
        self._told = 0.0

    def epochs(self, done: int, total: int, loss: float) -> None:
        now = time.monotonic()
        if done >= total or now - self._told >= PAUSE:
            self._told = now
            _tell(self, 100.0 * done / total)

    def tell(self, percent: float) -> None:
        if self._made is None:
            self._made = create_progress_artifact(percent, key=self._key, description=self._words)
        else:
            update_progress_artifact(self._made, percent)


@_shows
def _tell(bar: _Bar, percent: float) -> None:
    bar.tell(percent)
