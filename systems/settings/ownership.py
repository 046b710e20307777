"""Whether a workspace is the one that was made, or a copy of it, and its name at a remote.

What lies in the folder follows a copy. A remote outside, such as a bucket, does not: the copy names
the same one, and would take objects out of it that the original still needs. So a workspace notes
where it is by the number of records/ on the disk, which a copy has not, and beside it a random name
of its own, which its remote outside bears (systems/data/remote/owner.py).
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from ledger import durable
from systems.settings.workspace import Workspace
from unlearning.digests import digest_of

MARK = "place"
"""File in records/; moving the folder on its file system keeps it true, copying does not."""

NOWHERE = 0
"""The number of no folder: of a copy that was made before names were given."""


@dataclass(frozen=True)
class Place:
    """Where a workspace is, and who.

    folder: the number of records/ on the disk. owner: the workspace's random name. claimed: SHA-256
    of the address of the remote outside that bears the name; None before there was one.
    """

    folder: int
    owner: str
    claimed: str | None = None

    def here(self, ws: Workspace) -> bool:
        """Whether this was noted here, and not where the workspace was copied from."""
        return self.folder == ws.records.stat().st_ino

    def name(self, ws: Workspace) -> str:
        """Give the workspace's name, of a copy one that is its own in this folder."""
        if self.here(ws):
            return self.owner
        return digest_of([self.owner, ws.records.stat().st_ino])[:32]


def mark_place(ws: Workspace) -> Place:
    """Give what is noted, or note it where nothing is; the caller holds the workspace's lock."""
    return place_of(ws) or note(ws, Place(_number(ws), secrets.token_hex(16)))


def mark_anew(ws: Workspace) -> Place:
    """Note a copy as a workspace of its own."""
    return note(ws, Place(ws.records.stat().st_ino, secrets.token_hex(16)))


def place_of(ws: Workspace) -> Place | None:
    """Read what is noted; None where nothing that can be read is."""
    path = ws.records / MARK
    try:
        return Place(**json.loads(durable.read(path))) if path.is_file() else None
    except (ValueError, TypeError):
        return None


def note(ws: Workspace, place: Place) -> Place:
    """Write it at once: half a name would be nobody's."""
    durable.write(ws.records / MARK, json.dumps(asdict(place)).encode())
    return place


def _number(ws: Workspace) -> int:
    """The number of records/, unless an older note, the file's own number, says it is a copy's."""
    path: Path = ws.records / MARK
    text = path.read_text() if path.is_file() else ""
    copied = text.isdigit() and int(text) != path.stat().st_ino
    return NOWHERE if copied else ws.records.stat().st_ino
