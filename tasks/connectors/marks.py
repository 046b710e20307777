"""Which place was seen to hold files before anything of it was removed.

Whoever is killed between the removal and its receipt finds the place empty the next time, as does
the look before a request is complete, and an empty folder shows nothing by itself. What was seen
lies in artifacts/ until then and names nobody; if it is lost, a person has to look.
"""

from __future__ import annotations

import json
from pathlib import Path

from ledger import durable
from systems.settings.workspace import Workspace
from unlearning.digests import canonical_json
from unlearning.errors import InfrastructureError


def noted(ws: Workspace, run: str, name: str, mark: str | None) -> str | None:
    """Note a place's mark, if it has one now, before it is asked; give what was noted last."""
    known = _read(ws, run)
    if mark is not None and known.get(name) != mark:
        durable.write(_file(ws, run), canonical_json({**known, name: mark}))
    return mark or known.get(name)


def forget(ws: Workspace, run: str) -> None:
    """Forget a run's places, which are asked no more."""
    durable.remove_file(_file(ws, run), within=ws.artifacts)


def _file(ws: Workspace, run: str) -> Path:
    return ws.artifacts / f"seen-{run}.json"


def _read(ws: Workspace, run: str) -> dict[str, str]:
    path = _file(ws, run)
    try:
        found: dict[str, str] = json.loads(durable.read(path)) if path.exists() else {}
    except (ValueError, InfrastructureError):
        return {}
    return found
