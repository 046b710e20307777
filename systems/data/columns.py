"""Turns a user's table into Lethe's columns, or names the row that does not fit.

Rows are counted from 0, as in the ids that rows without an id are given.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from systems.data.sources import Columns
from unlearning.errors import UsageError

IMAGE, LABEL, EXAMPLE, SUBJECT, SPLIT = "image", "label", "example_id", "subject_id", "split"
OWN = (IMAGE, LABEL, EXAMPLE, SUBJECT, SPLIT)
CLASS_NAME = "class_name"
LARGEST_CLASSES = 2**15 - 1  # labels are stored as int16
_USUAL = {
    "image": ("image", "file"),
    "label": ("label",),
    "subject": ("subject_id", "subject"),
    "example": ("example_id", "example"),
}


@dataclass(frozen=True)
class Rows:
    """A table with Lethe's columns, labels still as the user wrote them.

    table: image (binary), label (int64 or string), example_id, subject_id, and attributes as
    text. name: what to call the source in a message.
    """

    table: pa.Table
    name: str


def normalise(raw: pa.Table, columns: Columns, *, name: str, prefix: str = "") -> Rows:
    """Pick, rename and check the columns; UsageError names column or row.

    Without a subject column every example is its own subject; without an example column the ids
    are `<prefix>row/<number>`. Every other scalar column becomes an attribute, as text.
    """
    if raw.num_rows == 0:
        raise UsageError(f"{name}: has no rows, expected at least one image")
    picked = {role: _pick(raw, columns, role, name) for role in _USUAL}
    image, label = _required(picked, "image", raw, name), _required(picked, "label", raw, name)
    examples = (
        _texts(raw[picked["example"]], "example id", name)
        if picked["example"]
        else pa.array([f"{prefix}row/{row:06d}" for row in range(raw.num_rows)])
    )
    _refuse_duplicates(examples, name)
    subjects = _texts(raw[picked["subject"]], "subject", name) if picked["subject"] else examples
    own = {
        IMAGE: _bytes(raw[image], name),
        LABEL: _labels(raw[label], name),
        EXAMPLE: examples,
        SUBJECT: subjects,
    }
    return Rows(pa.table(own | _attributes(raw, set(picked.values()))), name)


@dataclass(frozen=True)
class Classes:
    """Names of the classes by index; `named` if the column `class_name` gave them."""

    names: tuple[str, ...]
    named: bool = False


def classes_of(rows: Rows) -> Classes:
    """Name the classes: sorted text labels, `class_name` where it fits, or the numbers."""
    labels = rows.table[LABEL]
    distinct = pc.unique(labels).sort().to_pylist()
    if len(distinct) > LARGEST_CLASSES:
        raise UsageError(
            f"{rows.name}: has {len(distinct)} classes, expected {LARGEST_CLASSES} at most"
        )
    if pa.types.is_string(labels.type):
        return Classes(tuple(distinct))
    outside = ~np.isin(labels.to_numpy(), np.arange(len(distinct)))
    if outside.any():
        row = int(outside.argmax())
        raise UsageError(
            f"{rows.name}: row {row}: label {labels[row].as_py()} is out of range, expected 0 to "
            f"{len(distinct) - 1} for {len(distinct)} different labels: correct the row"
        )
    names = _given_names(rows.table)
    return Classes(names, named=True) if names else Classes(tuple(map(str, distinct)))


def encode_labels(rows: Rows, classes: Classes) -> Rows:
    """Turn labels into class indices (int16); `class_name` goes where it only repeats them."""
    table = rows.table
    codes = _codes(table[LABEL], classes.names)
    _refuse_row(pc.is_null(codes), rows.name, "its label is no class of the training data")
    if classes.named and CLASS_NAME in table.column_names:
        differs = pc.not_equal(pa.array(classes.names).take(codes), table[CLASS_NAME])
        _refuse_row(differs, rows.name, "label and class_name disagree with the training data")
        table = table.drop_columns([CLASS_NAME])
    at = table.schema.get_field_index(LABEL)
    return Rows(table.set_column(at, LABEL, codes.cast(pa.int16())), rows.name)


def attributes_of(table: pa.Table) -> tuple[str, ...]:
    """Name the attribute columns, sorted."""
    return tuple(sorted(set(table.column_names) - set(OWN)))


def _pick(raw: pa.Table, columns: Columns, role: str, name: str) -> str | None:
    wanted: str | None = getattr(columns, role)
    if wanted is None:
        return next((usual for usual in _USUAL[role] if usual in raw.column_names), None)
    if wanted not in raw.column_names:
        raise UsageError(
            f"{name}: has no column '{wanted}', it has {', '.join(raw.column_names)}: "
            f"name one of them with --{role}"
        )
    return wanted


def _required(picked: dict[str, str | None], role: str, raw: pa.Table, name: str) -> str:
    column = picked[role]
    if column is None:
        raise UsageError(
            f"{name}: has no column '{role}', it has {', '.join(raw.column_names)}: "
            f"name one of them with --{role}"
        )
    return column


def _first(mask: pa.ChunkedArray) -> int:
    return int(np.asarray(mask).argmax())


def _refuse_null(column: pa.ChunkedArray, what: str, name: str) -> None:
    if column.null_count:
        row = _first(pc.is_null(column))
        raise UsageError(f"{name}: row {row}: {what} is empty, expected a value: correct the row")


def _bytes(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Take encoded images as they are, or out of {bytes, path} records."""
    kind = column.type
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        column = pc.struct_field(column, "bytes")
        kind = column.type
    if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        raise UsageError(
            f"{name}: the image column is {kind}, expected the encoded image files as binary: "
            "name another with --image"
        )
    _refuse_null(column, "image", name)
    return column.cast(pa.binary())


def _texts(column: pa.ChunkedArray, what: str, name: str) -> pa.ChunkedArray:
    texts = _as_text(column)
    if texts is None:
        raise UsageError(f"{name}: the {what} column is {column.type}, expected text or numbers")
    texts = pc.if_else(pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(texts)), 0), None, texts)
    _refuse_null(texts, what, name)
    return texts


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Text of a scalar column; None for bytes, lists and records."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _as_text(column.cast(kind.value_type))
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return None
    try:
        return column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def _labels(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    _refuse_null(column, "label", name)
    if pa.types.is_integer(column.type):
        return column.cast(pa.int64(), safe=False)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return _texts(column, "label", name)
    raise UsageError(
        f"{name}: the label column is {column.type}, expected whole numbers or text: "
        "name another with --label"
    )


def _refuse_duplicates(examples: pa.ChunkedArray, name: str) -> None:
    first: dict[str, int] = {}
    for row, example in enumerate(examples.to_pylist()):
        if (earlier := first.setdefault(example, row)) != row:
            raise UsageError(
                f"{name}: row {row}: its example id is that of row {earlier}, expected every id "
                "once: correct the row, or name another column with --example"
            )


def _attributes(raw: pa.Table, used: set[str | None]) -> dict[str, pa.ChunkedArray]:
    """The other scalar columns as text; `source_` goes before a name that is Lethe's own."""
    attributes = {}
    for column in raw.column_names:
        if column not in used and (text := _as_text(raw[column])) is not None:
            name = f"source_{column}" if column in OWN else column
            attributes[name] = pc.fill_null(text, "")
    return attributes


def _given_names(table: pa.Table) -> tuple[str, ...] | None:
    """Take `class_name` if it gives every label one name and every name one label."""
    if CLASS_NAME not in table.column_names:
        return None
    pairs = set(zip(table[LABEL].to_pylist(), table[CLASS_NAME].to_pylist(), strict=True))
    names = dict(pairs)
    if len(names) != len(pairs) or len(set(names.values())) != len(names):
        return None
    return tuple(names[label] for label in sorted(names))


def _codes(labels: pa.ChunkedArray, names: tuple[str, ...]) -> pa.ChunkedArray:
    """Class indices, null where a label is no class."""
    if pa.types.is_string(labels.type):
        return pc.index_in(labels, pa.array(names))
    known = pc.and_(pc.greater_equal(labels, 0), pc.less(labels, len(names)))
    return pc.if_else(known, labels, None)


def _refuse_row(wrong: pa.ChunkedArray, name: str, why: str) -> None:
    if pc.any(wrong).as_py():
        raise UsageError(f"{name}: row {_first(wrong)}: {why}: correct the row")
