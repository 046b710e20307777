"""Parquet as users have it: one file or a folder of parts, class names in the schema's metadata."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from unlearning.errors import UsageError

SUFFIX = ".parquet"
_PART = re.compile(r"(?P<split>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})\.parquet")


def read_file(path: Path) -> pa.Table:
    """Read one file as it is; UsageError if it cannot be read."""
    try:
        with pq.ParquetFile(path) as file:
            return file.read()
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:100]
        raise UsageError(
            f"{path.name}: is no readable Parquet file ({reason}), expected Parquet or a folder "
            "of pictures: convert it"
        ) from error


def read_folder(folder: Path, parts: Sequence[Path]) -> pa.Table:
    """Read a folder's Parquet files, in the order of their names, as one table."""
    _refuse_incomplete(folder, parts)
    tables = [read_file(path) for path in parts]
    for path, table in zip(parts, tables, strict=True):
        if table.schema != tables[0].schema or _names(table) != _names(tables[0]):
            raise UsageError(
                f"{folder.name}/{path.name}: has other columns, types or class names than "
                f"{parts[0].name}, expected the same in all files of a folder: give one folder a "
                "data set"
            )
    return pa.concat_tables(tables)


def class_names(table: pa.Table, label: str) -> tuple[str, ...] | None:
    """Give the names of the classes that Hugging Face's metadata has for a label column."""
    feature = _names(table).get(label)
    return tuple(feature) if feature else None


def _names(table: pa.Table) -> dict[str, list[str]]:
    """Class names by column; none where the metadata is absent, or another tool's."""
    try:
        tree: Any = json.loads((table.schema.metadata or {})[b"huggingface"])
        features = tree["info"]["features"]
        named = {column: feature.get("names") for column, feature in features.items()}
    except (KeyError, ValueError, TypeError, AttributeError):
        return {}
    return {column: names for column, names in named.items() if _are_names(names)}


def _are_names(names: object) -> bool:
    return isinstance(names, list) and bool(names) and all(isinstance(n, str) for n in names)


def _refuse_incomplete(folder: Path, parts: Sequence[Path]) -> None:
    """Several sets in one folder would be trained on together; a set may lack a part."""
    found = [match for path in parts if (match := _PART.fullmatch(path.name))]
    if not found:
        return
    splits = sorted({match["split"] for match in found})
    if len(splits) > 1 or len(found) < len(parts):
        raise UsageError(
            f"{folder.name}: holds the parts of several sets ({', '.join(splits)}), expected "
            "those of one: put each set into a folder of its own, and give --test or --holdout"
        )
    if len(found) != int(found[0]["count"]):
        raise UsageError(
            f"{folder.name}: holds {len(found)} of {int(found[0]['count'])} parts of "
            f"{splits[0]}, expected all: fetch the others"
        )
