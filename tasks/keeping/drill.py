"""A backup is restored into a temporary folder, which shows that one could be, and what it needs.

The newest backup that lies where it was written to is taken, or one is made for the drill. Its
log is verified, whoever was erased since is erased from it, and it is opened. Nothing of it
touches what lies outside: its remote is a folder of its own, it has no witness and no server. A
network that learned from people who were erased since is not trained anew: `retrain` says that a
restore would.
"""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ledger import durable, suppression
from ledger.backups.stream import new_reference
from systems.archive.packing import SEALED, Description, pack
from systems.archive.unpacking import chosen, unpack
from systems.data import erasing, loading, purging, versions
from systems.settings.service import FILE as SERVICE
from systems.settings.workspace import Workspace
from tasks.backups.keeping import reachable
from tasks.backups.newest import backup_of, known_since, require_described
from tasks.backups.taking import description_of, log_of
from tasks.keeping.verified import verify_records
from tasks.running.champion import standing
from tasks.running.opened import Opened, opened
from tasks.running.records import utc_now
from unlearning.errors import IntegrityError

DRILLED = "restore_drilled"
"""Event of the log: a backup was restored elsewhere, verified, replayed and opened."""

PREFIX = "drill-"


def drill(at: Opened) -> dict[str, Any]:
    """Restore a backup and throw it away; IntegrityError names the first problem.

    Nothing is logged then.
    """
    head, began = at.ledger.log.head, time.monotonic()
    durable.make_folder(at.ws.service)
    for left in at.ws.service.glob(f"{PREFIX}*"):  # by a drill that was cut off
        durable.remove_folder(left, within=at.ws.service)
    place = Path(tempfile.mkdtemp(prefix=PREFIX, dir=at.ws.service))
    try:
        described, made = _unsealed(at, place)
        copy = Workspace(place / "tree")
        found = verify_records(copy, described.head)
        if not found.ok:
            raise IntegrityError(
                f"restore drill: {found.problems[0]}: compare records/ with your backup and "
                "restore it"
            )
        require_described(described, described.backup, backup_of(copy), copy)
        told = _opened(at.ws, copy) if (copy.root / at.ws.data_file.name).exists() else {}
    finally:
        durable.remove_folder(place, within=at.ws.service)
    body = {
        "head": head,
        "entries": len(at.ledger.log.entries()),
        "backup": None if made else described.backup,
        "taken_at": described.taken_at,
        "seconds": round(time.monotonic() - began, 1),
        **told,
    }
    at.ledger.record(DRILLED, body, key=f"restore-drill/{head}", now=utc_now())
    return {**body, "ok": True, "checked": list(found.checked)}


def _unsealed(at: Opened, place: Path) -> tuple[Description, bool]:
    """Put a backup's content into place/tree; say whether it was made for this."""
    tree = place / "tree"
    durable.make_folder(tree)
    for backup, kept in reversed(reachable(at)):
        described, file = chosen(kept.folder / f"{backup.ref}{SEALED}")
        unpack(described, file, kept.key, tree)
        return described, False
    ref, key = new_reference(), secrets.token_bytes(32)
    file = place / f"{ref}{SEALED}"
    made = pack(at.ws, file, key, ref, log_of(at.ws))
    described = Description(**{**description_of(at, ref), **made})
    unpack(described, file, key, tree)
    durable.remove_file(file, within=place)
    return described, True


def _opened(live: Workspace, copy: Workspace) -> Mapping[str, Any]:
    """Open the copy as a restore would, and take out of it who was erased here since."""
    newest = live.records / suppression.FILE  # held to the log when the workspace was opened
    known = known_since(backup_of(copy), [newest] if newest.is_file() else [], ())
    durable.remove_file(copy.root / SERVICE, within=copy.root)
    version = versions.data_version(copy)
    if versions.begin_inside(copy) != version:
        raise IntegrityError(
            f"restore drill: data/ is not data version {version[:12]}, which data.dvc names: take "
            "a new backup"
        )
    at = opened(str(copy.root))
    champion = standing(at) if copy.database.is_file() else None  # else a server has it
    back = loading.listed_ids(copy, known.listed.contains)
    trained = loading.trained_on(copy, back)
    if back:
        purging.purge(copy, erasing.erase(copy, back).replaced)
    if left := loading.listed(copy, known.listed.contains):
        raise IntegrityError(f"restore drill: {left} erased examples stay in the data")
    return {
        "data_version": version,
        "replayed": len(back),
        "retrain": trained > 0,
        "champion": champion.sha256 if champion else None,
    }
