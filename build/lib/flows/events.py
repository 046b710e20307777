"""Prefect events of a workspace, which trigger deployments; nothing in them tells of a person."""

from __future__ import annotations

from pathlib import Path
from typing import Any

RECEIVED = "lethe.request.received"
ACCEPTED = "lethe.request.accepted"
DUE = "lethe.deadline.near"
ALARM = "lethe.alarm"


def resource_of(workspace: Path | str) -> str:
    """Name a workspace in events: by a digest of its place, which tells nothing of it."""
    from tasks.running.records import digest_of_place

    return f"lethe.workspace.{digest_of_place(Path(workspace))}"


def tell(workspace: Path | str, event: str, **facts: Any) -> None:
    """Emit an event from within a flow. facts: references, numbers and states only."""
    from prefect.events import emit_event

    emit_event(event, resource={"prefect.resource.id": resource_of(workspace)}, payload=facts)
