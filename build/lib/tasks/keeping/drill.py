"""A copy of the records is put elsewhere and verified there, as after a restore."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from ledger import durable
from ledger.chain import Verification
from systems.settings.recording import lines_of
from systems.settings.workspace import Workspace
from tasks.keeping.verified import verify_records
from tasks.running.opened import Opened
from tasks.running.records import utc_now
from unlearning.errors import IntegrityError

DRILLED = "restore_drilled"
"""Event of the log: a copy of records/ and evidence/ was verified."""

PREFIX = "drill-"
COPIED = ("records", "evidence")
"""What a restore puts back so that the log can be verified; both hold nothing in clear."""


def drill(at: Opened) -> dict[str, Any]:
    """Verify the log from a copy; IntegrityError names the first problem, and nothing is logged."""
    head = at.ledger.log.head
    found = _of_a_copy(at.ws, head)
    if not found.ok:
        raise IntegrityError(
            f"restore drill: {found.problems[0]}: compare records/ with your backup and restore it"
        )
    body = {"head": head, "entries": len(at.ledger.log.entries())}
    at.ledger.record(DRILLED, body, key=f"restore-drill/{head}", now=utc_now())
    return {**body, "ok": True, "checked": list(found.checked)}


def _of_a_copy(ws: Workspace, head: str) -> Verification:
    durable.make_folder(ws.service)
    for left in ws.service.glob(f"{PREFIX}*"):  # by a drill that was cut off
        durable.remove_folder(left, within=ws.service)
    place = Path(tempfile.mkdtemp(prefix=PREFIX, dir=ws.service))
    try:
        for name in COPIED:
            if (ws.root / name).is_dir():  # before the first run nothing is sealed
                shutil.copytree(ws.root / name, place / name)
        copy = Workspace(place)
        if ws.elsewhere.is_file():  # as after `lethe log --export`
            durable.remove_file(copy.elsewhere, within=place)
            durable.write(copy.log, lines_of(ws).read())
        return verify_records(copy, head)
    finally:
        durable.remove_folder(place, within=ws.service)
