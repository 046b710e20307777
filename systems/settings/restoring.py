"""A workspace that `lethe restore` is not through with: nobody works in it until it is."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from ledger import durable
from systems.settings.workspace import Workspace
from unlearning.errors import IntegrityError, UsageError

NOTE, LIST = "restoring.json", "restoring.jsonl"
"""Files in records/: what is restored, and the newest suppression list that was given for it."""


@dataclass(frozen=True)
class Restoring:
    """What is restored, and what was found out before.

    restore: the restoration's own name. sha256: of the backup's file; taken_at, data_version and
    entries: of what is in it. told: somebody was asked who would know of erasures since; sources:
    who. open_requests: how many open requests the newest log has that the backup lacks; None where
    there was no newer log. imports: how often data came in since. marks: versions that were marked
    as tainted since, each with its SHA-256 and reason. said: what persons said since that keeps
    requests from being served. aside: service.yaml was put aside. gone:
    witnesses, by their names in the log, that were not asked, for the reason that somebody gave.
    """

    restore: str
    backup: str
    sha256: str
    taken_at: str
    data_version: str
    entries: int
    told: bool
    sources: tuple[str, ...]
    open_requests: int | None = None
    imports: int = 0
    marks: tuple[dict[str, Any], ...] = field(default=())
    said: tuple[dict[str, Any], ...] = field(default=())
    aside: bool = False
    gone: tuple[str, ...] = ()
    reason: str | None = None


def restoring(ws: Workspace) -> Restoring | None:
    """Give the restoration that is under way; IntegrityError for a note that says nothing."""
    path = ws.records / NOTE
    if not path.is_file():
        return None
    try:
        tree = json.loads(durable.read(path))
        tree |= {name: tuple(tree[name]) for name in ("sources", "marks")}
        tree |= {name: tuple(tree.get(name, ())) for name in ("gone", "said")}
        return Restoring(**tree)
    except (ValueError, TypeError, KeyError) as error:
        raise IntegrityError(
            f"{durable.short_name(path)}: tells nothing of a restore, expected what one wrote: "
            "empty the folder, and restore the backup into it again"
        ) from error


def note(ws: Workspace, found: Restoring) -> None:
    """Close a workspace until its restoration is finished."""
    durable.write(ws.records / NOTE, json.dumps(asdict(found)).encode())


def finish(ws: Workspace) -> None:
    """Open it."""
    durable.remove_file(ws.records / LIST, within=ws.records)
    durable.remove_file(ws.records / NOTE, within=ws.records)


def require_finished(ws: Workspace) -> None:
    """UsageError for a workspace that is being restored."""
    if (ws.records / NOTE).exists():
        raise UsageError(
            f"{ws.root.name}: `lethe restore` did not come to its end here, expected a whole "
            "workspace: run it again, it goes on"
        )
