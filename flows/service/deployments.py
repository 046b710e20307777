"""The deployments: which flow each one runs, at what time, and after which event."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flows.events import ACCEPTED, RECEIVED, resource_of
from systems.settings.service import Service
from systems.settings.workspace import Workspace
from unlearning.errors import UsageError

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment

TAG = "lethe"


@dataclass(frozen=True)
class Deployment:
    """One deployment. flow: module and function. schedule: of service.yaml; event: begins a run.
    alone: it works under the workspace's lock, so no other that does is begun beside it.
    """

    name: str
    flow: str
    schedule: str | None = None
    event: str | None = None
    alone: bool = True

    @property
    def full_name(self) -> str:
        """As Prefect names it: the flow's name first."""
        return f"{self.loaded().name}/{self.name}"

    def loaded(self) -> Any:
        """Import the flow."""
        from importlib import import_module

        module, _, function = self.flow.partition(":")
        return getattr(import_module(module), function)

    def cron(self, service: Service) -> str | None:
        """When it runs by the clock; None if it does not."""
        return None if self.schedule is None else getattr(service.schedules, self.schedule)


TABLE = (
    Deployment("intake", "flows.intake:intake", event=RECEIVED),
    Deployment("forget", "flows.due:due", "forget", ACCEPTED),
    Deployment("purge", "flows.purge:purge", "purge"),
    Deployment("deadlines", "flows.deadlines:deadlines", "deadlines"),
    Deployment("audit", "flows.audit:audit_champion", "audit"),
    Deployment("bank", "flows.bank:bank", "bank"),
    Deployment("reconcile", "flows.reconcile:reconcile", "reconcile", alone=False),
    Deployment("restore-drill", "flows.drill:drill", "restore_drill"),
    Deployment("replay", "flows.drill:replay", "replay"),
)

AT_START = ("intake", "forget")
"""What a runner begins with: what came, or was cut off, while nothing ran."""


def as_prefect(one: Deployment, ws: Workspace, service: Service) -> RunnerDeployment:
    """Describe a deployment to Prefect; its only parameter is the workspace's path."""
    from prefect.types.entrypoint import EntrypointType

    described: RunnerDeployment = one.loaded().to_deployment(
        name=one.name,
        cron=one.cron(service),
        parameters={"workspace": str(ws.root)},
        triggers=[_trigger(one.event, ws)] if one.event else [],
        tags=[TAG],
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    return described


def _trigger(event: str, ws: Workspace) -> Any:
    from prefect.events import DeploymentEventTrigger

    return DeploymentEventTrigger(
        name=f"after {event}",
        expect={event},
        match={"prefect.resource.id": resource_of(ws.root)},
        parameters={"workspace": str(ws.root)},
    )


def register(ws: Workspace, service: Service) -> dict[str, str]:
    """Register every deployment, and the limit on the champion; give each one's id."""
    from prefect.client.orchestration import get_client

    from flows.turns import CHAMPION

    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name(CHAMPION, 1)
        for one in TABLE:
            _require_own(client, one, ws)
    return {one.name: str(as_prefect(one, ws, service).apply()) for one in TABLE}


def _require_own(client: Any, one: Deployment, ws: Workspace) -> None:
    """A server that many share keeps one set of these names."""
    from prefect.exceptions import ObjectNotFound

    try:
        found = client.read_deployment_by_name(one.full_name)
    except ObjectNotFound:
        return
    if found.parameters.get("workspace") != str(ws.root):
        raise UsageError(
            f"prefect: its deployment {one.full_name} serves another workspace, expected none or "
            "this one: give each workspace a server of its own, or delete that deployment"
        )


def manifests() -> Iterator[dict[str, Any]]:
    """Give what infra/prefect.yaml must say of each deployment."""
    for one in TABLE:
        yield {
            "name": one.name,
            "entrypoint": one.flow.replace(":", "."),
            "cron": one.cron(Service()),
            "event": one.event,
        }
