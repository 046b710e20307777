"""What the workspace keeps of a backup: its key and its place, until it was destroyed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger import durable, keys
from ledger.backups import Backup, standing
from systems.archive.contents import BACKUP_KEYS
from systems.archive.packing import DESCRIBED, SEALED, unfinished_name
from systems.settings.workspace import Workspace
from tasks.running.opened import Opened
from unlearning.errors import LetheError


@dataclass(frozen=True)
class Kept:
    """A backup's key, and the folders that file and key were written to."""

    key: bytes
    folder: Path
    keys: Path

    def files(self, ref: str) -> Iterator[Path]:
        """Give what is still there of what was written."""
        parts = (f"{ref}{SEALED}", unfinished_name(ref), f"{ref}{DESCRIBED}")
        places = (*(self.folder / name for name in parts), self.keys / f"{ref}.key")
        yield from (path for path in places if path.is_file())


def folder_of(ws: Workspace) -> Path:
    """Where keys of backups lie; no backup holds them."""
    return ws.root / BACKUP_KEYS


def keep(ws: Workspace, ref: str, folder: Path, key_folder: Path) -> bytes:
    """Draw a backup's key and keep it, with the folders that file and key go to."""
    durable.make_folder(folder_of(ws))
    key = keys.write_secret(_key_path(ws, ref))
    places = {"folder": str(folder), "keys": str(key_folder)}
    durable.write(_place_path(ws, ref), json.dumps(places).encode())
    return key


def kept(ws: Workspace, ref: str) -> Kept | None:
    """Read what is kept of a backup; None where nothing is, as in a workspace that was restored."""
    try:
        places = json.loads(durable.read(_place_path(ws, ref)))
        key = keys.read_secret(_key_path(ws, ref))
        return Kept(key, Path(places["folder"]), Path(places["keys"]))
    except (LetheError, ValueError, TypeError, KeyError):
        return None


def shred(ws: Workspace, ref: str) -> None:
    """Destroy what is kept of a backup; twice is harmless."""
    for path in (_key_path(ws, ref), _place_path(ws, ref)):
        if path.parent.is_dir():
            durable.remove_file(path, within=ws.keys)


def reachable(at: Opened) -> list[tuple[Backup, Kept]]:
    """Give the whole backups that lie where they were written to, oldest first, with their keys."""
    found = ((one, kept(at.ws, one.ref)) for one in standing(at.ledger.log.entries()))
    return [
        (one, known)
        for one, known in found
        if one.sha256 and known and (known.folder / f"{one.ref}{SEALED}").is_file()
    ]


def listed(at: Opened) -> list[dict[str, Any]]:
    """Show the backups that nobody said were destroyed, for `lethe list backups`."""
    there = {one.ref for one, _ in reachable(at)}
    return [
        {
            "backup": one.ref,
            "taken_at": one.taken_at.isoformat(),
            "data_version": one.data_version,
            "whole": one.sha256 is not None,
            "at_its_place": one.ref in there,
        }
        for one in standing(at.ledger.log.entries())
    ]


def _key_path(ws: Workspace, ref: str) -> Path:
    return folder_of(ws) / f"{ref}.key"


def _place_path(ws: Workspace, ref: str) -> Path:
    return folder_of(ws) / f"{ref}.json"
