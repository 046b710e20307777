"""What the runner asks of Prefect's server: runs that are due, their states, and runs anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from flows.service.marks import Mark
from tasks.running.records import utc_now

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun
    from prefect.client.schemas.responses import FlowRunResponse

    AnyRun = FlowRun | FlowRunResponse

AGAIN = "again-"
"""Tag of a run that was begun because an earlier one was cut off; a number follows."""

MOST = 100
"""Runs that one question gives at most; the next look gives the others."""

OPEN = ("RUNNING", "PENDING", "CANCELLING")


@dataclass(frozen=True)
class Prefects:
    """A server, and the ids of our deployments by name."""

    client: SyncPrefectClient
    ids: Mapping[str, str]

    def due(self) -> list[FlowRunResponse]:
        """The runs of our deployments whose time has come, the earliest first."""
        ids = [UUID(found) for found in self.ids.values()]
        now = utc_now()
        found = self.client.get_scheduled_flow_runs_for_deployments(ids, scheduled_before=now)
        return sorted(found, key=lambda run: run.next_scheduled_start_time or now)

    def name_of(self, run: AnyRun) -> str:
        """The deployment that a run is of."""
        return next(name for name, found in self.ids.items() if found == str(run.deployment_id))

    def claim(self, run: AnyRun, mark: Mark) -> bool:
        """Take a run, so that nobody else begins it; False if somebody has or it was cancelled."""
        from prefect.states import Pending

        self.note(run.id, mark)
        pending: Any = Pending()
        return bool(self.client.set_flow_run_state(run.id, pending).status.value == "ACCEPT")

    def note(self, run: UUID, mark: Mark) -> None:
        """Write down which process has a run."""
        self.client.update_flow_run(run, infrastructure_pid=str(mark))

    def goes_with(self, run: AnyRun, other: AnyRun) -> None:
        """End a run that waits, since one that begins later than what it was for does its work."""
        from prefect.states import Cancelled

        state: Any = Cancelled(
            message=f"its work is done by {other.name}, which began after it was due"
        )
        self.client.set_flow_run_state(run.id, state, force=True)

    def open(self) -> list[FlowRun]:
        """The runs of our deployments that somebody has, or is said to have."""
        from prefect.client.schemas.filters import (
            DeploymentFilter,
            DeploymentFilterId,
            FlowRunFilter,
            FlowRunFilterState,
            FlowRunFilterStateType,
        )
        from prefect.client.schemas.objects import StateType
        from prefect.client.schemas.sorting import FlowRunSort

        kinds = FlowRunFilterStateType(any_=[StateType(name) for name in OPEN])
        ours = DeploymentFilterId(any_=[UUID(found) for found in self.ids.values()])
        return self.client.read_flow_runs(
            flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=kinds)),
            deployment_filter=DeploymentFilter(id=ours),
            sort=FlowRunSort.EXPECTED_START_TIME_ASC,
            limit=MOST,
        )

    def read(self, run: UUID) -> FlowRun:
        """Give a run as it is now."""
        return self.client.read_flow_run(run)

    def end(self, run: AnyRun, why: str) -> None:
        """Say of a run whose process is gone that it ended: as cancelled, if that was asked for."""
        from prefect.states import Cancelled, Crashed

        cancelled = run.state is not None and run.state.is_cancelling()
        state: Any = Cancelled(message=why) if cancelled else Crashed(message=why)
        self.client.set_flow_run_state(run.id, state, force=True)

    def free_champion(self) -> None:
        """Take the champion's slot from whoever was killed with it; of ours nobody is at work.

        The limit is made anew: the end of the old lease, which comes by itself, is nobody's then.
        """
        from flows.turns import CHAMPION

        self.client.delete_global_concurrency_limit_by_name(CHAMPION)
        self.client.upsert_global_concurrency_limit_by_name(CHAMPION, 1)

    def begin(self, name: str, *, after: float = 0, tags: Sequence[str] = ()) -> None:
        """Have a deployment run once more, so many seconds from now."""
        from prefect.states import Scheduled

        state: Any = Scheduled(scheduled_time=utc_now() + timedelta(seconds=after))
        self.client.create_flow_run_from_deployment(UUID(self.ids[name]), state=state, tags=tags)

    def repeat(self, run: AnyRun, most: int) -> bool:
        """Begin a run that was cut off again, unless that was done `most` times already."""
        numbers = [int(tag.removeprefix(AGAIN)) for tag in run.tags if tag.startswith(AGAIN)]
        number = max(numbers, default=0) + 1
        if number > most:
            return False
        self.begin(self.name_of(run), tags=[f"{AGAIN}{number}"])
        return True
