"""Backups in a folder, and what is in one."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import IO, BinaryIO, cast

from ledger import durable, keys
from ledger.backups.stream import Unsealing, is_reference
from ledger.errors import KeyMissing, SealAltered
from systems.archive.packing import DESCRIBED, SEALED, TYPE, Description
from unlearning.counting import MEGABYTE, counting
from unlearning.digests import sha256_file
from unlearning.errors import UsageError

KEYS = "keys"
"""Folder for keys beside the backups, where no other place is named."""


def backups_in(folder: Path) -> list[Description]:
    """Give the whole backups in a folder, oldest first; others are passed over."""
    found = [read for path in folder.glob(f"bk-*{DESCRIBED}") if (read := _described(path))]
    there = (one for one in found if (folder / f"{one.backup}{SEALED}").is_file())
    return sorted(there, key=lambda one: (one.taken_at, one.entries, one.backup))


def chosen(place: Path) -> tuple[Description, Path]:
    """Give the backup at a place, a sealed file or a folder's newest, with its file; UsageError."""
    folder = place if place.is_dir() else place.parent
    known = backups_in(folder) if folder.is_dir() else []
    if not place.is_dir():
        known = [one for one in known if f"{one.backup}{SEALED}" == place.name]
    if not known:
        raise UsageError(
            f"{place.name or place}: holds no backup that is whole, expected a folder that `lethe "
            f"backup` wrote to, or one of its files (bk-...{SEALED}, with its {DESCRIBED} beside)"
        )
    return known[-1], folder / f"{known[-1].backup}{SEALED}"


def key_of(described: Description, file: Path, named: Path | None) -> bytes:
    """Read a backup's key: in the file or folder that is named, or in keys/ beside the backup."""
    place = named or file.parent / KEYS
    path = place / f"{described.backup}.key" if place.is_dir() or named is None else place
    if not path.is_file():
        raise KeyMissing(
            f"{durable.short_name(path)}: not there, expected the key of {described.backup}: name "
            "the place where you keep it with --key"
        )
    return keys.read_secret(path)


def unpack(described: Description, file: Path, key: bytes, into: Path) -> None:
    """Put all that is in a backup into an empty folder.

    SealAltered if a byte of it is another; what was put there by then is the caller's to remove.
    """
    if (got := sha256_file(file)) != described.sha256:
        raise SealAltered(
            f"{file.name}: SHA-256 got {got[:12]}, expected {described.sha256[:12]}: it was "
            "altered or cut off; take another copy of it, or an earlier backup"
        )
    size = file.stat().st_size / MEGABYTE
    with (
        durable.reading(file),
        file.open("rb") as sealed,
        counting("restore", "MB", size) as tell,
    ):
        source = cast(BinaryIO, _Told(sealed, tell))
        plain = Unsealing(source, key, described.backup)
        with (
            durable.storing(into),
            tarfile.open(fileobj=cast(IO[bytes], plain), mode="r|") as archive,
        ):
            archive.extractall(into, filter="data")
        plain.require_end()


class _Told:
    """A file of which it is told how much was read."""

    def __init__(self, file: BinaryIO, tell: Callable[[float], None]) -> None:
        self._file, self._tell = file, tell

    def read(self, size: int) -> bytes:
        content = self._file.read(size)
        self._tell(len(content) / MEGABYTE)
        return content


def _described(path: Path) -> Description | None:
    try:
        tree = json.loads(durable.read(path))
        if tree.pop("type") != TYPE:
            return None
        found = Description(**tree)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    kinds = {type(value).__name__ == kind for value, kind in _typed(found)}
    whole = kinds == {True} and is_reference(found.backup)
    return found if whole and path.stem == found.backup else None


def _typed(found: Description) -> Iterator[tuple[object, object]]:
    """Give each value with the name of its kind."""
    return ((getattr(found, field.name), field.type) for field in fields(found))
