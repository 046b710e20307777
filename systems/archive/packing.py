"""A workspace's files in one stream, sealed as they are read: nothing of it lies open anywhere."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, cast

from ledger import durable
from ledger.backups.stream import Sealing
from systems.archive.contents import databases_of, files_of
from systems.settings.workspace import Workspace
from unlearning.counting import MEGABYTE, counting
from unlearning.digests import canonical_json

SEALED, DESCRIBED = ".sealed", ".json"
TYPE = "lethe/backup/1"


@dataclass(frozen=True)
class Description:
    """What stands beside a backup, in clear: nothing of a person.

    taken_at: ISO 8601. entries, head: of the log that is in it. sha256, bytes: of the sealed file.
    """

    backup: str
    taken_at: str
    data_version: str
    entries: int
    head: str
    sha256: str = ""
    bytes: int = 0
    files: int = 0


def pack(ws: Workspace, to: Path, key: bytes, ref: str, log: Mapping[str, bytes]) -> dict[str, Any]:
    """Seal a workspace into a file, which is there whole or not at all; give its digest and sizes.

    log: what to write in place of the log's own file, which may lie in a database.
    """
    unfinished = to.with_name(unfinished_name(ref))
    try:
        with durable.storing(unfinished), unfinished.open("xb") as file:
            os.fchmod(file.fileno(), durable.PRIVATE)
            sealing = Sealing(file, key, ref)
            count = _write(ws, sealing, log)
            sha256 = sealing.finish()
            file.flush()
            os.fsync(file.fileno())
        with durable.storing(to):
            unfinished.replace(to)
            durable.sync(to.parent)
    except BaseException:
        durable.remove_file(unfinished, within=to.parent)
        raise
    return {"sha256": sha256, "bytes": sealing.written, "files": count}


def unfinished_name(ref: str) -> str:
    """Name the file of a backup that is not whole yet; of a killed one it stays."""
    return f".{ref}{SEALED}{durable.UNFINISHED}"


def describe(folder: Path, described: Description) -> None:
    """Write what a backup is beside it: last, so that it tells of whole ones alone."""
    content = canonical_json({"type": TYPE, **asdict(described)})
    durable.write(folder / f"{described.backup}{DESCRIBED}", content)


def _write(ws: Workspace, sealing: Sealing, log: Mapping[str, bytes]) -> int:
    count, files = 0, list(files_of(ws))
    sizes = [path.stat().st_size / MEGABYTE if path.is_file() else 0.0 for _, path in files]
    with (
        counting("backup", "MB", sum(sizes)) as tell,
        tarfile.open(
            fileobj=cast(IO[bytes], sealing), mode="w|", format=tarfile.PAX_FORMAT
        ) as archive,
    ):
        for name, content in (*log.items(), *databases_of(ws)):
            _add_bytes(archive, name, content)
            count += 1
        for (name, path), size in zip(files, sizes, strict=True):
            archive.add(path, arcname=name, recursive=False, filter=partial(_ours, path))
            count += path.is_file()
            tell(size)
    return count


def _add_bytes(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), durable.PRIVATE
    archive.addfile(info, io.BytesIO(content))


def _ours(path: Path, info: tarfile.TarInfo) -> tarfile.TarInfo:
    """Keep nothing of this machine: whose a file is, and which others are the same on the disk."""
    if info.islnk():
        info.type, info.linkname, info.size = tarfile.REGTYPE, "", path.stat().st_size
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    return info
