"""The commands that show and change what is in force."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flows.cli.work.opening import ledger_of, working
from systems.settings.workspace import Workspace
from tasks import adopt as adopting


def in_force(path: Path, kind: adopting.Kind) -> dict[str, Any]:
    """Show what is in force, since when and why, and whether the workspace's file is that one."""
    ws = Workspace.at(path)
    return adopting.described(ws, ledger_of(ws), kind)


def adopt(path: Path, file: Path, reason: str, kind: adopting.Kind) -> dict[str, Any]:
    """Put a file into force and show what is; adopting what is in force already logs nothing."""
    with working(path) as at:
        changed = adopting.adopt(at.ws, at.ledger, file, reason, kind)
        return {"adopted": changed, **adopting.described(at.ws, at.ledger, kind)}
