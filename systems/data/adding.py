"""New examples for a workspace that has data: checked against what is there, split, not written.

They must be of the same kind: the same columns, classes and channels, ids that are not there yet.
A person who is there stays on his side; who is new is held out by a keyed hash of his id, so that
it does not depend on who came with him. The test set stays as it was.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from systems.data.classes import Classes, encode_labels
from systems.data.columns import (
    CLASS_NAME,
    EXAMPLE,
    IMAGE,
    LABEL,
    SPLIT,
    SUBJECT,
    Rows,
    attributes_of,
    normalise,
    refuse_alike,
)
from systems.data.forms.pictures import inspect, shape_of
from systems.data.reading import read_table
from systems.data.sharding import Dataset, load_dataset, schema
from systems.data.sources import Columns, read_source, source_name
from systems.data.texts import KINDS, look, whole_numbers
from systems.settings.workspace import Workspace
from unlearning.digests import sha256_file, sha256_hex
from unlearning.domain import HOLDOUT, TRAIN
from unlearning.errors import UsageError


@dataclass(frozen=True, eq=False)
class Offered:
    """Examples that may be added. table: as in the shards, its rows in the file's order.

    name: what to call the source. newcomers: how many of its people are new.
    """

    table: pa.Table
    dataset: Dataset
    name: str
    newcomers: int
    notes: tuple[str, ...]


def offered(
    ws: Workspace, path: Path, columns: Columns, *, key: bytes, holdout: float, as_written: bool
) -> Offered:
    """Read a source and check it against the data; UsageError names file and row.

    key: the shard key. holdout: the share of new people that is never trained on. as_written: ids
    that look like others of the data are meant.
    """
    dataset, name = load_dataset(ws), source_name(path)
    raw = read_source(path, columns)
    rows = normalise(raw, columns, name=name, prefix=_prefix(path), as_written=as_written)
    encoded = encode_labels(rows, _classes(rows, dataset))
    _refuse_other_columns(encoded, dataset)
    there = read_table(ws, [EXAMPLE, SUBJECT, SPLIT])
    _refuse_known(encoded, there)
    if not as_written:
        _refuse_alike(encoded, there)
    notes = _looked_at(encoded, dataset)
    sides = dict(zip(there[SUBJECT].to_pylist(), there[SPLIT].to_pylist(), strict=True))
    subjects = encoded.table[SUBJECT].to_pylist()
    splits = [sides.get(one) or _side(one, key, holdout) for one in subjects]
    table = encoded.table.append_column(SPLIT, pa.array(splits))
    kind = schema(dataset.attributes)
    newcomers = len(set(subjects) - sides.keys())
    if rows.alone:
        notes = (*notes, f"{name} names no people: every picture counts as a person of its own")
    return Offered(table.select(kind.names).cast(kind), dataset, name, newcomers, notes)


def _prefix(path: Path) -> str:
    """Ids of rows without any: bound to the file, so that the same one again is found out."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return f"import-{sha256_hex(''.join(map(sha256_file, files)).encode())[:12]}-"


def _classes(rows: Rows, dataset: Dataset) -> Classes:
    """The classes that are there, by what labels call them: numbers where the file names these."""
    names = dataset.classes
    numbers = pa.types.is_integer(rows.table[LABEL].type)
    named = CLASS_NAME in rows.table.column_names
    if numbers and not whole_numbers(names) and (rows.class_names or named):
        return Classes(tuple(map(str, range(len(names)))), names, named=named)
    return Classes(names, names)


def _refuse_other_columns(rows: Rows, dataset: Dataset) -> None:
    got = attributes_of(rows.table)
    if got != dataset.attributes:
        raise UsageError(
            f"{rows.name}: has the columns {', '.join(got) or 'none'} beside image, label and ids, "
            f"expected {', '.join(dataset.attributes) or 'none'}, as the data have: write it so"
        )


def _refuse_known(rows: Rows, there: pa.Table) -> None:
    known = set(there[EXAMPLE].to_pylist())
    for row, example in enumerate(rows.table[EXAMPLE].to_pylist()):
        if example in known:
            raise UsageError(
                f"{rows.name}: row {row}: its example id is in the data already, expected a new "
                "one: remove the row, or name another column with --example"
            )


def _refuse_alike(rows: Rows, there: pa.Table) -> None:
    """Refuse ids that look like others, of the file or of the data; they are not shown."""
    for column, what in ((EXAMPLE, "example id"), (SUBJECT, "subject")):
        refuse_alike([rows], column, what)
        known = set(there[column].to_pylist())
        looks = {look(text) for text in known}
        for row, text in enumerate(rows.table[column].to_pylist()):
            if text not in known and look(text) in looks:
                raise UsageError(
                    f"{rows.name}: row {row}: its {what} differs from one of the data only by "
                    f"{KINDS}, expected one way of writing: correct it, or say --as-written if "
                    "they are two"
                )


def _looked_at(rows: Rows, dataset: Dataset) -> tuple[str, ...]:
    seen = inspect(rows.table[IMAGE].to_pylist(), range(rows.table.num_rows), name=rows.name)
    shape = shape_of([seen], size=dataset.size)
    if shape.channels > dataset.channels:
        raise UsageError(
            f"{rows.name}: has pictures in colour, expected grey ones, as the data are: write them "
            "so"
        )
    return shape.notes


def _side(subject: str, key: bytes, holdout: float) -> str:
    """Hold a new person out with this chance, the same whenever he comes."""
    drawn = hmac.digest(key, f"holdout\0{subject}".encode(), hashlib.sha256)[:8]
    return HOLDOUT if int.from_bytes(drawn) < holdout * 2**64 else TRAIN


def values_of(table: pa.Table, dataset: Dataset) -> Iterable[Mapping[str, str]]:
    """Give of each row what it may be known by: example, image, subject, class and attributes.

    Personal data; image is the SHA-256 of its bytes.
    """
    for row in table.to_pylist():
        known = {
            "example": row[EXAMPLE],
            "image": hashlib.sha256(row[IMAGE]).hexdigest(),
            "subject": row[SUBJECT],
            "class": dataset.classes[row[LABEL]],
        }
        yield known | {f"where\0{name}": row[name] for name in dataset.attributes}


def without(table: pa.Table, rows: Collection[int]) -> pa.Table:
    """Leave rows out, by their numbers."""
    return table.filter(pa.array([row not in rows for row in range(table.num_rows)]))
