"""Who may read the pages: readers are added, listed and removed, while the service runs too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flows.cli.work.opening import looked_at
from systems.intake.viewing import readers
from systems.intake.viewing.roles import Role
from systems.settings.workspace import Workspace
from tasks.running.records import utc_now


def add(path: Path, name: str, role: Role) -> dict[str, Any]:
    """Let somebody read; the token is told here and never again."""
    token = readers.add(_folder(path), name, role, utc_now())
    return {"reader": name, "role": role, "token": token}


def listed(path: Path) -> dict[str, Any]:
    """Every reader with the role."""
    found = readers.readers(_folder(path))
    return {"readers": [{"reader": r.name, "role": r.role, "since": r.since} for r in found]}


def remove(path: Path, name: str) -> dict[str, Any]:
    """Shut somebody out from the next call on."""
    found = readers.remove(_folder(path), name)
    return {"reader": found.name, "role": found.role, "removed": True}


def _folder(path: Path) -> Path:
    ws = Workspace.at(path)
    looked_at(ws)  # that it is a workspace
    return ws.service
