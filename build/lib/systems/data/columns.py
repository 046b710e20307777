"""Turns a user's table into Lethe's columns, or names the row that does not fit.

Rows are counted from 0, as in the ids that rows without an id are given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from systems.data.forms import parquet
from systems.data.sources import Columns
from systems.data.texts import (
    difference,
    first_alike,
    look,
    means_missing,
    missing_among_numbers,
    whole_numbers,
)
from unlearning.errors import UsageError

IMAGE, LABEL, EXAMPLE, SUBJECT, SPLIT = "image", "label", "example_id", "subject_id", "split"
OWN = (IMAGE, LABEL, EXAMPLE, SUBJECT, SPLIT)
CLASS_NAME = "class_name"
_CONTROL = r"[\x00-\x1f\x7f-\x{9f}]"  # numpy drops a NUL at the end, lists break at the others


@dataclass(frozen=True)
class Rows:
    """A table with Lethe's columns, labels still as the user wrote them.

    table: image (binary), label (int64 or string), example_id, subject_id, and attributes as
    text. name: what to call the source in a message. class_names: of the labels 0, 1, ..., if the
    file's metadata has them. alone: no column names people.
    """

    table: pa.Table
    name: str
    class_names: tuple[str, ...] | None = None
    alone: bool = False


def normalise(
    raw: pa.Table, columns: Columns, *, name: str, prefix: str = "", as_written: bool = False
) -> Rows:
    """Pick, rename and check the columns; UsageError names column or row.

    Without a subject column every example is its own subject; without an example column the ids
    are `<prefix>row/<number>`. Every other scalar column becomes an attribute, as text.
    as_written: texts that look like a missing value are meant.
    """
    if raw.num_rows == 0:
        raise UsageError(f"{name}: has no rows, expected at least one image")
    _refuse_repeated(raw, name)
    there = raw.column_names
    image, label = columns.require("image", there, name), columns.require("label", there, name)
    example, subject = (columns.pick(role, there, name) for role in ("example", "subject"))
    examples = (
        _ids(raw[example], "example id", name, as_written)
        if example
        else pa.chunked_array([[f"{prefix}row/{row:06d}" for row in range(raw.num_rows)]])
    )
    _refuse_duplicates(examples, name)
    own = {
        IMAGE: _bytes(raw[image], name),
        LABEL: _labels(raw[label], name, as_written),
        EXAMPLE: examples,
        SUBJECT: _ids(raw[subject], "subject", name, as_written) if subject else examples,
    }
    table = pa.table(own | _attributes(raw, {image, label, example, subject}))
    return Rows(table, name, parquet.class_names(raw, label), alone=subject is None)


def refuse_alike(sets: Sequence[Rows], column: str, what: str) -> None:
    """Refuse ids that differ and look alike, within one set or between two; they are not shown."""
    texts = [text for rows in sets for text in rows.table[column].to_pylist()]
    pair = first_alike(texts)
    if pair is None:
        return
    places = [f"{rows.name}: row {row}" for rows in sets for row in range(rows.table.num_rows)]
    earlier, later = pair
    raise UsageError(
        f"{places[later]}: its {what} differs from that of {places[earlier]} only by "
        f"{difference(texts[earlier], texts[later])}, expected one way of writing: correct it, or "
        "say --as-written if they are two"
    )


def attributes_of(table: pa.Table) -> tuple[str, ...]:
    """Name the attribute columns, sorted."""
    return tuple(sorted(set(table.column_names) - set(OWN)))


def first_row(mask: pa.ChunkedArray) -> int:
    """Give the number of the first row where the mask is true."""
    return int(np.asarray(mask).argmax())


def _refuse_null(column: pa.ChunkedArray, what: str, name: str) -> None:
    if column.null_count:
        row = first_row(pc.is_null(column))
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
    if column.null_count:
        row = first_row(pc.is_null(column))
        raise UsageError(
            f"{name}: row {row}: image is empty, or a path only, expected the encoded file: "
            "correct the row"
        )
    return column.cast(pa.binary())


def _ids(column: pa.ChunkedArray, what: str, name: str, as_written: bool) -> pa.ChunkedArray:
    """Ids as text; numbers with a fraction have no one way of writing, so they are none."""
    kind = _plain(column).type
    if not (pa.types.is_integer(kind) or _is_text(kind)):
        raise UsageError(
            f"{name}: the {what} column is {kind}, expected text or whole numbers: write it so"
        )
    texts = _texts(column, what, name)
    if not as_written and (
        missing := next(filter(means_missing, pc.unique(texts).to_pylist()), "")
    ):
        _refuse_missing(texts, missing, what, name)
    return texts


def _texts(column: pa.ChunkedArray, what: str, name: str) -> pa.ChunkedArray:
    """Text exactly as written; empty, broken and unprintable ones are refused by their row."""
    texts = _plain(column).cast(pa.string())
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid as error:
        raise UsageError(
            f"{name}: the {what} column holds text that is no UTF-8: write it as UTF-8"
        ) from error
    _refuse_null(texts, what, name)
    refuse_row(
        pc.match_substring_regex(texts, _CONTROL),
        name,
        f"{what} holds a tab, a line break or another control character",
    )
    distinct = pc.unique(texts).to_pylist()
    blank = pa.array([text for text in distinct if not look(text)], pa.string())
    _refuse_null(pc.if_else(pc.is_in(texts, blank), None, texts), what, name)
    return texts


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    return column.cast(kind.value_type) if pa.types.is_dictionary(kind) else column


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Text of a scalar column; None for bytes, lists and records."""
    column = _plain(column)
    kind = column.type
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return None
    try:
        return column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def _labels(column: pa.ChunkedArray, name: str, as_written: bool) -> pa.ChunkedArray:
    """Labels as they are written: whole numbers (int64), also those in text, or words."""
    column = _plain(column)
    _refuse_null(column, "label", name)
    if pa.types.is_integer(column.type):
        return column.cast(pa.int64(), safe=False)
    if not _is_text(column.type):
        raise UsageError(
            f"{name}: the label column is {column.type}, expected whole numbers or text: "
            "name another with --label"
        )
    texts = _texts(column, "label", name)
    distinct = pc.unique(texts).to_pylist()
    if not as_written and (missing := missing_among_numbers(distinct)):
        _refuse_missing(texts, missing, "label", name)
    return texts.cast(pa.int64()) if whole_numbers(distinct) else texts


def _refuse_missing(texts: pa.ChunkedArray, missing: str, what: str, name: str) -> None:
    row = first_row(pc.equal(texts, missing))
    raise UsageError(
        f"{name}: row {row}: its {what} is {missing!r}, as tables write a missing value, expected "
        "a value: correct the row, or say --as-written if it is meant"
    )


def _refuse_repeated(raw: pa.Table, name: str) -> None:
    twice = [column for column in raw.column_names if raw.column_names.count(column) > 1]
    if twice:
        raise UsageError(
            f"{name}: has the column '{twice[0]}' more than once, expected every name once: "
            "rename or remove one"
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


def refuse_row(wrong: pa.ChunkedArray, name: str, why: str) -> None:
    """Raise UsageError for the first row where `wrong` is true."""
    if pc.any(wrong).as_py():
        raise UsageError(f"{name}: row {first_row(wrong)}: {why}: correct the row")
