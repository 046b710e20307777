"""Reads what a user offers: the embedded digits, Parquet, a folder of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from systems.data.forms import manifests, parquet
from systems.data.forms.manifests import MANIFEST
from unlearning.errors import UsageError

USUAL = {
    "image": ("image", "img", "file", "file_name"),
    "label": ("label",),
    "subject": ("subject_id", "subject"),
    "example": ("example_id", "example"),
}
"""The names of columns that are taken without being told, the first that is there."""


@dataclass(frozen=True)
class Columns:
    """Names of the columns in the user's file; None takes the usual name if it is there."""

    image: str | None = None
    label: str | None = None
    subject: str | None = None
    example: str | None = None

    def pick(self, role: str, there: Sequence[str], name: str) -> str | None:
        """Give the column of a role; UsageError if one was named that is not there."""
        wanted: str | None = getattr(self, role)
        if wanted is None:
            return next((usual for usual in USUAL[role] if usual in there), None)
        if wanted not in there:
            raise UsageError(
                f"{name}: has no column '{wanted}', it has {', '.join(there)}: "
                f"name one of them with --{role}"
            )
        return wanted

    def require(self, role: str, there: Sequence[str], name: str) -> str:
        """Give the column of a role; UsageError if there is none."""
        column = self.pick(role, there, name)
        if column is None:
            usual = " or ".join(f"'{usual}'" for usual in USUAL[role])
            raise UsageError(
                f"{name}: has no column {usual}, it has {', '.join(there)}: "
                f"name one of them with --{role}"
            )
        return column


@dataclass(frozen=True)
class Source:
    """What to import.

    data: "digits", a Parquet file or a folder of such, a folder with manifest.csv or with one
    subfolder a class, or a manifest. test, holdout: files or folders that give those sets; without
    them they are drawn from `data` by subject. limit: how many training examples to keep at most.
    as_written: texts that look alike, or like a missing value, are meant as they are.
    """

    data: str
    test: Path | None = None
    holdout: Path | None = None
    columns: Columns = field(default_factory=Columns)
    limit: int | None = None
    as_written: bool = False

    def __post_init__(self) -> None:
        """Refuse a limit that keeps nothing."""
        if self.limit is not None and self.limit < 1:
            raise UsageError(
                f"--limit: got {self.limit}, expected how many training examples to keep, at least "
                "1"
            )


def read_source(path: Path, columns: Columns) -> pa.Table:
    """Read Parquet or a folder of pictures as it is; UsageError for anything else."""
    if path.is_dir():
        return _read_folder(path, columns)
    if path.suffix.lower() in (".csv", ".tsv"):
        return _read_manifest(path, columns)
    if not path.is_file():
        raise UsageError(
            f"{path.name}: no such file, expected `digits`, a Parquet file or a folder: "
            "correct the path"
        )
    return parquet.read_file(path)


def source_name(path: Path) -> str:
    """A file's name with its folder's: `cifar10/train.parquet`, never a path of this machine."""
    return f"{path.parent.name}/{path.name}" if path.parent.name else path.name


def _read_folder(folder: Path, columns: Columns) -> pa.Table:
    manifest = folder / MANIFEST
    parts = sorted(p for p in folder.iterdir() if p.suffix == parquet.SUFFIX and p.is_file())
    if manifest.exists() and parts:
        raise UsageError(
            f"{folder.name}: holds both {MANIFEST} and Parquet files, expected one of them: name "
            "the file that is meant"
        )
    if parts:
        return parquet.read_folder(folder, parts)
    if manifest.exists() and not manifest.is_file():  # a pipe would be waited for without end
        raise UsageError(f"{folder.name}/{MANIFEST}: is no plain file, expected a CSV file")
    if manifest.exists():
        return _read_manifest(manifest, columns)
    return manifests.read_class_folders(folder)


def _read_manifest(manifest: Path, columns: Columns) -> pa.Table:
    def choose(header: Sequence[str]) -> str:
        name = source_name(manifest)
        columns.require("label", header, name)  # before any file is read
        return columns.require("image", header, name)

    return manifests.read_manifest(manifest, choose)
