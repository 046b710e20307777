"""Whether a workspace is the one that was made, or a copy of it.

What lies in the folder follows a copy. A remote outside, such as a bucket, does not: the copy names
the same one, and would take objects out of it that the original still needs. So a workspace marks
where it is: the mark holds its own number on the disk, which a copy has not.
"""

from __future__ import annotations

import os
from pathlib import Path

from ledger.errors import OutsideWorkspace
from systems.settings.workspace import Workspace

MARK = "place"
"""File in records/; moving the folder on its file system keeps it true, copying does not."""


def mark_place(ws: Workspace) -> None:
    """Mark where the workspace is, unless it is marked; the caller holds its lock."""
    path = ws.records / MARK
    if _marked(path) is None:
        with path.open("w") as file:
            file.write(str(os.fstat(file.fileno()).st_ino))


def require_own_remote(ws: Workspace, url: str | None) -> None:
    """Refuse a remote outside the workspace to a copy: OutsideWorkspace.

    url: as in params.yaml.
    """
    path = ws.records / MARK
    if _outside(ws, url) and _marked(path) != path.stat().st_ino:
        raise OutsideWorkspace(
            f"{ws.root.name}: was copied or restored, and its remote lies outside of it, where the "
            "original's objects may be; expected a remote of its own: change remote.url and DVC's "
            f"remote, or, if no other workspace uses that remote, remove records/{MARK}"
        )


def _outside(ws: Workspace, url: str | None) -> bool:
    if url is None:
        return False
    return "://" in url or not (ws.root / url).resolve().is_relative_to(ws.root)


def _marked(path: Path) -> int | None:
    text = path.read_text() if path.is_file() else ""
    return int(text) if text.isdigit() else None
