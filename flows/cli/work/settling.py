"""The commands that show and change what is in force."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flows.cli.work.opening import ledger_of, working
from ledger.keys import load_public_keys
from systems.settings.workspace import Workspace
from tasks import adopt as adopting
from tasks.running.records import utc_now
from unlearning.digests import sha256_hex


def in_force(path: Path, kind: adopting.Kind) -> dict[str, Any]:
    """Show what is in force, since when and why, and whether the workspace's file is that one."""
    ws = Workspace.at(path)
    return adopting.described(ws, ledger_of(ws), kind)


def adopt(path: Path, file: Path, reason: str, kind: adopting.Kind) -> dict[str, Any]:
    """Put a file into force and show what is; adopting what is in force already logs nothing."""
    with working(path, restoring=True) as at:
        changed = adopting.adopt(at.ws, at.ledger, file, reason, kind)
        return {"adopted": changed, **adopting.described(at.ws, at.ledger, kind)}


def rotate_key(path: Path, reason: str) -> dict[str, Any]:
    """Replace the signing key; what was completed is stated by the old one first."""
    with working(path) as at:
        from tasks.attest import attest_completions

        attest_completions(at)
        entry = at.ledger.rotate_key(reason=reason, now=utc_now())
        keys = [sha256_hex(key)[:16] for key in load_public_keys(at.ws.public_key).keys]
        return {"entry": entry.seq, "at": entry.at, "reason": reason, "keys": keys}
