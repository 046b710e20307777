"""The classes of a data set: how labels become indices, and what the classes are called."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from systems.data.columns import CLASS_NAME, LABEL, Rows, first_row, refuse_row
from systems.data.texts import difference, first_alike, look, whole_numbers
from unlearning.errors import UsageError

LARGEST_CLASSES = 2**15 - 1  # labels are stored as int16


@dataclass(frozen=True)
class Classes:
    """The classes by index: labels as the data has them, and the names that they are shown by.

    named: the column `class_name` gave the names, so that it only repeats the labels.
    """

    labels: tuple[str, ...]
    names: tuple[str, ...]
    named: bool = False


def classes_of(rows: Rows, *, as_written: bool = False) -> Classes:
    """Name the classes: by the file's metadata, `class_name` where it fits, or their labels."""
    labels = rows.table[LABEL]
    distinct = pc.unique(labels).sort().to_pylist()
    classes = (
        _classes_of_text(rows.name, distinct, as_written)
        if pa.types.is_string(labels.type)
        else _classes_of_numbers(rows, distinct)
    )
    if len(classes.names) > LARGEST_CLASSES:
        raise UsageError(
            f"{rows.name}: has {len(classes.names)} classes, expected {LARGEST_CLASSES} at most"
        )
    if len(distinct) < 2:
        raise UsageError(
            f"{rows.name}: has examples of {len(distinct)} class, expected at least 2: a network "
            "of one class answers nothing; give data of more classes, or another --label"
        )
    return classes


def encode_labels(rows: Rows, classes: Classes) -> Rows:
    """Turn labels into class indices (int16); `class_name` goes where it only repeats them."""
    table = rows.table
    if rows.class_names not in (None, classes.names):
        raise UsageError(
            f"{rows.name}: its metadata names the classes otherwise than the training data does, "
            "expected the same names in the same order: write it with the same"
        )
    written = table[LABEL].cast(pa.string())
    codes = pc.index_in(written, pa.array(classes.labels))
    if codes.null_count:
        _refuse_label(written, codes, rows.name, classes)
    if classes.named and CLASS_NAME in table.column_names:
        differs = pc.not_equal(pa.array(classes.names).take(codes), table[CLASS_NAME])
        refuse_row(differs, rows.name, "label and class_name disagree with the training data")
        table = table.drop_columns([CLASS_NAME])
    at = table.schema.get_field_index(LABEL)
    return replace(rows, table=table.set_column(at, LABEL, codes.cast(pa.int16())))


def _classes_of_text(name: str, distinct: list[str], as_written: bool) -> Classes:
    if not as_written and (pair := first_alike(distinct)):
        one, other = (distinct[at] for at in pair)
        raise UsageError(
            f"{name}: the labels {one!r} and {other!r} differ only by {difference(one, other)}, "
            "expected one way of writing: correct them, or say --as-written if they are two"
        )
    return Classes(tuple(distinct), tuple(distinct))


def _classes_of_numbers(rows: Rows, distinct: list[int]) -> Classes:
    """Numbers are indices: of the names that the metadata has, else of as many as there are."""
    labels, given = rows.table[LABEL], rows.class_names
    count = len(given) if given else len(distinct)
    outside = ~np.isin(labels.to_numpy(), np.arange(count))
    if outside.any():
        row = int(outside.argmax())
        known = "class names in its metadata" if given else "different labels"
        raise UsageError(
            f"{rows.name}: row {row}: label {labels[row].as_py()} is out of range, expected 0 to "
            f"{count - 1} for {count} {known}: correct the row"
        )
    numbers = tuple(map(str, range(count)))
    if given:
        _classes_of_text(rows.name, list(given), as_written=False)
        return Classes(numbers, given)
    names = _given_names(rows.table)
    return Classes(numbers, names, named=True) if names else Classes(numbers, numbers)


def _refuse_label(
    written: pa.ChunkedArray, codes: pa.ChunkedArray, name: str, classes: Classes
) -> None:
    row = first_row(pc.is_null(codes))
    label = written[row].as_py()
    alike = next((known for known in classes.labels if look(known) == look(label)), None)
    hint = f"; it differs from {alike!r} only by {difference(alike, label)}" if alike else ""
    if not alike and whole_numbers([label]) != whole_numbers(classes.labels):
        hint = "; one is a number, the other are words" if whole_numbers([label]) else ""
        hint = hint or "; the training data has numbers"
    raise UsageError(
        f"{name}: row {row}: its label is no class of the training data{hint}: correct the row"
    )


def _given_names(table: pa.Table) -> tuple[str, ...] | None:
    """Take `class_name` if it gives every label one name and every name one label."""
    if CLASS_NAME not in table.column_names:
        return None
    pairs = set(zip(table[LABEL].to_pylist(), table[CLASS_NAME].to_pylist(), strict=True))
    names = dict(pairs)
    if len(names) != len(pairs) or len(set(names.values())) != len(names):
        return None
    return tuple(names[label] for label in sorted(names))
