"""What of a workspace goes into a backup, and what follows from the rest and is made again.

Keys go along, sealed with everything else: without them nothing of it means anything. Keys of
backups do not, or the newest would open all earlier ones, destroyed as they may be. DVC's cache and
a remote inside follow from data/, tables from the log, the index from the shards.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from ledger import durable
from ledger.lines import ELSEWHERE, LOG, TABLES
from systems.settings.workspace import Workspace

FILES = (
    *("params.yaml", "policy.yaml", "dvc.yaml", "dvc.lock", "data.dvc", "service.yaml"),
    *(".gitignore", ".dvcignore", ".dvc/config", ".dvc/.gitignore"),
)
FOLDERS = ("records", "keys", "evidence", "inbox", "data", "artifacts", "mlruns")

BACKUP_KEYS = "keys/backups"
_LEFT_OUT = frozenset(
    {
        *(BACKUP_KEYS, "records/lock", f"records/{LOG}", f"records/{TABLES}"),
        *(f"records/{ELSEWHERE}", "artifacts/decoded", "artifacts/index.keyed"),
    }
)
_DATABASES = ("inbox/inbox.db", "mlruns/mlflow.db")
"""Files of SQLite that somebody may be writing to, and the log of which lies beside them."""


def files_of(ws: Workspace) -> Iterator[tuple[str, Path]]:
    """Give all that is copied as it lies there, folders too, by its name in the workspace."""
    for name in FILES:
        if (ws.root / name).is_file():
            yield name, ws.root / name
    for folder in FOLDERS:
        for path in _below(ws.root / folder):
            name = path.relative_to(ws.root).as_posix()
            if not _left_out(name):
                yield name, path


def databases_of(ws: Workspace) -> Iterator[tuple[str, bytes]]:
    """Give the databases, each as it is at one moment, whoever writes to it meanwhile."""
    for name in _DATABASES:
        path = ws.root / name
        if path.is_file():
            with durable.reading(path), closing(sqlite3.connect(path)) as source:
                yield name, _serialized(source)


def _serialized(source: sqlite3.Connection) -> bytes:
    with closing(sqlite3.connect(":memory:")) as memory:
        source.backup(memory)
        return memory.serialize()


def _below(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(root, name) for name in [*folders, *sorted(names)])


def _left_out(name: str) -> bool:
    if any(name == left or name.startswith(f"{left}/") for left in _LEFT_OUT):
        return True
    if any(name.startswith(database) for database in _DATABASES):
        return True
    last = name.rpartition("/")[2]
    return last.startswith(".") and last.endswith(durable.UNFINISHED)
