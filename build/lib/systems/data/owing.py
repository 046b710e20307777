"""What an erasure has replaced and no purge has yet seen gone: noted, so that a crash forgets none.

artifacts/owed.json holds keys and shard names, which tell nothing of a person.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from ledger import durable
from systems.settings.workspace import Workspace

OWED = "owed.json"


@dataclass(frozen=True)
class Owed:
    """What still has to be purged.

    old_version: the one before the first unpurged erasure. shards: names of those that were
    rewritten; None if that is not known.
    """

    old_version: str | None = None
    keys: frozenset[str] = frozenset()
    shards: frozenset[str] | None = frozenset()


def owed(ws: Workspace) -> Owed:
    """Read what still has to be purged."""
    path = ws.artifacts / OWED
    if not path.exists():
        return Owed()
    tree = json.loads(durable.read(path))
    shards = tree.get("shards")
    known = None if shards is None else frozenset(shards)
    return Owed(tree["old_version"], frozenset(tree["keys"]), known)


def owe(
    ws: Workspace, old_version: str | None, keys: Iterable[str], shards: Collection[str] | None
) -> None:
    """Note keys as owed until a purge has seen them gone."""
    before = owed(ws)
    both = None if shards is None or before.shards is None else before.shards | frozenset(shards)
    _note(ws, Owed(before.old_version or old_version, before.keys | frozenset(keys), both))


def settle(ws: Workspace, keys: frozenset[str]) -> None:
    """Strike out keys that a purge has seen gone."""
    before = owed(ws)
    _note(ws, replace(before, keys=before.keys - keys))


def _note(ws: Workspace, left: Owed) -> None:
    path = ws.artifacts / OWED
    if not left.keys:
        durable.remove_file(path, within=ws.artifacts)
        return
    durable.make_folder(ws.artifacts)
    shards = None if left.shards is None else sorted(left.shards)
    tree = {"old_version": left.old_version, "keys": sorted(left.keys), "shards": shards}
    durable.write(path, json.dumps(tree).encode())
