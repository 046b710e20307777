"""Many writers, one commit: whoever comes while another one writes joins the next transaction.

A commit costs a wait for the disk. Threads that come meanwhile leave their work in a list; the one
that gets to write takes all that is there. Nobody waits for others to come.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Generic, TypeVar

from unlearning.errors import LetheError

Work = TypeVar("Work")
Result = TypeVar("Result")


@dataclass
class _Job(Generic[Work, Result]):
    work: Work
    outcome: Result | LetheError | None = None


class Together(Generic[Work, Result]):
    """Does what several threads ask for in as few calls as possible."""

    def __init__(self, do: Callable[[Sequence[Work]], Sequence[Result | LetheError]]) -> None:
        """do: does all of them in one transaction, and says for each what came of it."""
        self._do = do
        self._waiting: list[_Job[Work, Result]] = []
        self._list, self._turn = Lock(), Lock()

    def __call__(self, work: Work) -> Result:
        """Do one, alone or with others; raise what it failed for."""
        job: _Job[Work, Result] = _Job(work)
        with self._list:
            self._waiting.append(job)
        with self._turn:
            if job.outcome is None:
                self._do_waiting()
        if job.outcome is None or isinstance(job.outcome, LetheError):
            raise job.outcome or RuntimeError("another thread's transaction was cut off")
        return job.outcome

    def _do_waiting(self) -> None:
        with self._list:
            jobs, self._waiting = self._waiting, []
        try:
            outcomes = self._do([job.work for job in jobs])
        except LetheError as error:
            outcomes = [error] * len(jobs)
        for job, outcome in zip(jobs, outcomes, strict=True):
            job.outcome = outcome
