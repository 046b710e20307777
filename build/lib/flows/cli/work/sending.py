"""Who may send events: sources are added, listed and removed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flows.cli.work.ids import STANDARD_INPUT, with_ids_of
from flows.cli.work.opening import holding, ledger_of, looked_at
from ledger import sources
from ledger.errors import WorkspaceBusy
from systems.settings.workspace import Workspace
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from unlearning.errors import UsageError


def add(path: Path, name: str, secret_file: Path | None) -> dict[str, Any]:
    """Let a source send; its secret is told here and never again."""
    sources.require_name(name)
    given = None if secret_file is None else _secret_in(secret_file)
    with holding(path) as at:
        secret = sources.add(at.ledger, at.ws.keys, name, now=utc_now(), secret=given)
        return {"source": name, "secret": secret}


def listed(path: Path) -> dict[str, Any]:
    """Every source with its state, without the lock."""
    ws = Workspace.at(path)
    found = sources.sources(ledger_of(ws).log.entries(), ws.keys)
    return {"sources": [{"source": s.name, "state": s.state, "since": s.since} for s in found]}


def remove(path: Path, name: str) -> dict[str, Any]:
    """Shut a source out at once, whoever holds the lock, then record it."""
    ws = Workspace.at(path)
    looked_at(ws)  # that it is a workspace
    shut = sources.shut(ws.keys, name)
    try:
        with holding(path) as at:
            found = sources.remove(at.ledger, at.ws.keys, name, now=utc_now())
    except WorkspaceBusy as busy:
        raise WorkspaceBusy(
            f"source {name}: {'is refused from now on' if shut else 'has no key'}, but the log "
            "cannot tell it yet, since another lethe is at work here: run the same command again"
        ) from busy
    return {"source": found.name, "state": found.state, "since": found.since}


def problem(at: Opened) -> str:
    """Say what is wrong with the sources' keys; nothing if nothing is."""
    found = sources.sources(at.ledger.log.entries(), at.ws.keys)
    odd = [f"{s.name}: {s.state}" for s in found if s.state not in sources.SOUND]
    again = "put keys/sources/ back from your backup, or remove such a source and add it again"
    return f"{'; '.join(odd)}: {again}" if odd else ""


def _secret_in(file: Path) -> str:
    lines = with_ids_of(None, file, option="--secret-file") or []
    if len(lines) != 1:
        name = "standard input" if file == STANDARD_INPUT else file.name
        raise UsageError(f"--secret-file: got {len(lines)} lines in {name}, expected the secret")
    return lines[0]
