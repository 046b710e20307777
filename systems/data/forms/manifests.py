"""Folders of pictures: with a manifest, or with one subfolder a class."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from systems.data.texts import difference, first_alike
from unlearning.counting import counted
from unlearning.errors import UsageError

MANIFEST = "manifest.csv"
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_IGNORED = frozenset({"thumbs.db", "desktop.ini"})
_DRIVE = re.compile(r"[A-Za-z]:")


def read_manifest(manifest: Path, choose: Callable[[Sequence[str]], str]) -> pa.Table:
    """Read a manifest's columns as text, and in place of file names the bytes of the files.

    choose: given the names of the columns, gives the one that holds file names. Names and values
    are taken as they are written; a column without a name is left out. UsageError names the row.
    """
    header, rows = _records(manifest)
    file, root = choose(header), manifest.parent.resolve()
    columns = {name: [row[at] for row in rows] for at, name in enumerate(header) if name}
    table = {name: pa.array(values, pa.string()) for name, values in columns.items()}
    contents = [
        _content(root, name, f"{manifest.name}: row {row}")
        for row, name in enumerate(counted(columns[file], len(rows), "reading", "files"))
    ]
    return pa.table(table | {file: pa.array(contents, pa.binary())})


def read_class_folders(folder: Path) -> pa.Table:
    """Read the pictures of a folder with one subfolder a class, in the order of their names."""
    root, files = folder.resolve(), [p for sub in _subfolders(folder) for p in _pictures(sub)]
    names = [path.relative_to(folder).as_posix() for path in files]
    contents = [
        _content(root, name, f"{folder.name}: picture {row}")
        for row, name in enumerate(counted(names, len(names), "reading", "files"))
    ]
    try:
        return pa.table(
            {
                "image": pa.array(contents, pa.binary()),
                "label": pa.array([path.parent.name for path in files], pa.string()),
                "example_id": pa.array(names, pa.string()),
            }
        )
    except UnicodeEncodeError as error:
        raise UsageError(
            f"{folder.name}: a file's name is no UTF-8, expected names that can be written: "
            "rename it"
        ) from error


def _records(manifest: Path) -> tuple[list[str], list[list[str]]]:
    name = f"{manifest.parent.name}/{manifest.name}"
    try:
        with manifest.open(newline="", encoding="utf-8-sig") as file:
            separator = _separator(file.readline(), name)
            file.seek(0)
            lines = csv.reader(file, delimiter=separator, strict=True)
            records = [record for record in lines if record]
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{name}: is no UTF-8 text, expected a manifest in UTF-8: save it as CSV UTF-8"
        ) from error
    except (OSError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"{name}: cannot be read ({reason}), expected a CSV file with a header and the columns "
            "file and label"
        ) from error
    if len(records) < 2:
        raise UsageError(f"{name}: has no rows, expected a header and at least one image")
    header, *rows = records
    _check_header(header, name)
    _check_lengths(header, rows, name)
    return header, rows


def _separator(line: str, name: str) -> str:
    """Commas, semicolons or tabs: the one that the header has."""
    found = [mark for mark in _SEPARATORS if len(next(csv.reader([line], delimiter=mark), [])) > 1]
    if len(found) > 1:
        words = " and ".join(_SEPARATORS[mark] for mark in found)
        raise UsageError(
            f"{name}: its header holds {words}, expected one kind between the columns: save it "
            "with commas"
        )
    return found[0] if found else ","


def _check_header(header: Sequence[str], name: str) -> None:
    for column in header:
        if column != column.strip():
            raise UsageError(
                f"{name}: the column {column!r} has blanks around its name, expected none: remove "
                "them, around the values too"
            )
        if header.count(column) > 1:
            raise UsageError(
                f"{name}: has the column {column!r} {header.count(column)} times, expected every "
                "name once: rename or remove one"
            )
    if pair := first_alike(header):
        one, other = (header[at] for at in pair)
        raise UsageError(
            f"{name}: the columns {one!r} and {other!r} differ only by {difference(one, other)}, "
            "expected names that do not look alike: rename or remove one"
        )


def _check_lengths(header: Sequence[str], rows: Sequence[Sequence[str]], name: str) -> None:
    for number, row in enumerate(rows):
        if len(row) != len(header):
            raise UsageError(
                f"{name}: row {number} has {len(row)} fields, expected {len(header)} as in the "
                "header: correct it, or put fields that hold the separator in quotes"
            )


def _content(root: Path, name: str, where: str) -> bytes:
    """Read one image; a path that leads out of the folder is refused, links included."""
    try:
        path = _place(root, name)
        if path is not None and path.exists() and not path.is_file():
            raise OSError(0, "is no plain file")  # a pipe would be waited on for ever
        content = None if path is None else path.read_bytes()
    except (OSError, ValueError, RuntimeError) as error:  # a NUL in the name, links in a circle
        reason = getattr(error, "strerror", None) or "its name can be none"
        raise UsageError(f"{where}: the file cannot be read ({reason}): correct the row") from error
    if content is None:
        raise UsageError(
            f"{where}: the file leads out of the folder, expected a relative path inside it: "
            "correct the row"
        )
    return content


def _place(root: Path, name: str) -> Path | None:
    """Give the file that is meant, None if it is not inside `root`.

    Backslashes are Windows' separators unless a file of that very name is there.
    """
    written = name if (root / name).exists() else name.replace("\\", "/")
    if not written or Path(written).is_absolute() or _DRIVE.match(written):
        return None
    found = (root / written).resolve()
    return found if found.is_relative_to(root) else None


def _subfolders(folder: Path) -> Iterator[Path]:
    entries = [path for path in sorted(folder.iterdir()) if not _ignored(path)]
    subfolders = [path for path in entries if path.is_dir()]
    if not subfolders or any(path.suffix.lower() in SUFFIXES for path in entries):
        raise UsageError(
            f"{folder.name}: has no {MANIFEST}, no Parquet files, and pictures that lie in no "
            f"subfolder of a class, expected one of these: write a {MANIFEST} with the columns "
            "file and label"
        )
    yield from subfolders


def _pictures(subfolder: Path) -> list[Path]:
    where = f"{subfolder.parent.name}/{subfolder.name}"
    found = [path for path in sorted(subfolder.iterdir()) if not _ignored(path)]
    if any(path.is_dir() for path in found):
        raise UsageError(
            f"{where}: holds folders, expected the pictures of one class: give the folder whose "
            "subfolders are the classes, and other sets by --test and --holdout"
        )
    if not found:
        raise UsageError(f"{where}: holds no picture, expected those of one class: remove it")
    if any(path.suffix.lower() not in SUFFIXES for path in found):
        raise UsageError(
            f"{where}: holds a file that is no picture, expected {', '.join(sorted(SUFFIXES))} "
            "only: move it elsewhere"
        )
    return found


def _ignored(path: Path) -> bool:
    return path.name.startswith(".") or path.name.lower() in _IGNORED
