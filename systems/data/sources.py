"""Reads what a user offers: the embedded digits, a Parquet file, a folder with a manifest."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from unlearning.errors import UsageError

MANIFEST = "manifest.csv"
_WHOLE = re.compile(r"-?\d{1,9}")


@dataclass(frozen=True)
class Columns:
    """Names of the columns in the user's file; None takes the usual name if it is there."""

    image: str | None = None
    label: str | None = None
    subject: str | None = None
    example: str | None = None


@dataclass(frozen=True)
class Source:
    """What to import.

    data: "digits", a Parquet file, a folder with manifest.csv, or such a manifest. test, holdout:
    files or folders that give those sets; without them they are drawn from `data` by subject.
    limit: how many training examples to keep at most.
    """

    data: str
    test: Path | None = None
    holdout: Path | None = None
    columns: Columns = field(default_factory=Columns)
    limit: int | None = None


def read_source(path: Path) -> pa.Table:
    """Read a Parquet file or a folder with a manifest as it is; UsageError for anything else."""
    if path.is_dir():
        return _read_folder(path / MANIFEST)
    if path.suffix.lower() == ".csv":
        return _read_folder(path)
    if not path.is_file():
        raise UsageError(
            f"{path.name}: no such file, expected `digits`, a Parquet file or a folder with "
            f"{MANIFEST}: correct the path"
        )
    try:
        return pq.read_table(path, partitioning=None)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise UsageError(
            f"{path.name}: is no readable Parquet file ({str(error).splitlines()[0][:100]}), "
            f"expected Parquet or a folder with {MANIFEST}: convert it"
        ) from error


def _read_folder(manifest: Path) -> pa.Table:
    records = _records(manifest)
    if "file" not in records[0] or "label" not in records[0]:
        raise UsageError(
            f"{manifest.name}: has the columns {', '.join(records[0])}, expected at least file and "
            "label: add them"
        )
    root = manifest.parent.resolve()
    columns: dict[str, pa.Array] = {}
    for name in records[0]:
        values: list[str | None] = [record[name] for record in records]
        columns[name] = pa.array(values, pa.string())
    columns["file"] = pa.array(
        [_content(root, record["file"], row) for row, record in enumerate(records)], pa.binary()
    )
    columns["label"] = _whole_numbers([record["label"] for record in records])
    return pa.table(columns)


def _records(manifest: Path) -> list[dict[str, str]]:
    try:
        with manifest.open(newline="", encoding="utf-8-sig") as file:
            records = list(csv.DictReader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(
            f"{manifest.parent.name}/{manifest.name}: cannot be read ({error}), expected a CSV "
            "file with a header and the columns file and label"
        ) from error
    if not records:
        raise UsageError(f"{manifest.name}: has no rows, expected at least one image")
    for row, record in enumerate(records):
        if None in record or None in record.values():
            raise UsageError(
                f"{manifest.name}: row {row} has more or fewer fields than the header: correct it"
            )
    return records


def _content(root: Path, name: str, row: int) -> bytes:
    """Read one image; a path that leads out of the folder is refused, links included."""
    path = Path(name)
    if not name or path.is_absolute() or not (root / path).resolve().is_relative_to(root):
        raise UsageError(
            f"{MANIFEST}: row {row}: the file leads out of the folder, expected a relative path "
            "inside it: correct the row"
        )
    try:
        return (root / path).read_bytes()
    except OSError as error:
        raise UsageError(
            f"{MANIFEST}: row {row}: the file cannot be read ({error.strerror}): correct the row"
        ) from error


def _whole_numbers(labels: list[str]) -> pa.Array:
    """A CSV file knows only text: take labels as numbers if every one is a whole number."""
    if all(_WHOLE.fullmatch(label) for label in labels):
        return pa.array([int(label) for label in labels], pa.int64())
    return pa.array([label or None for label in labels], pa.string())
