"""From what a user offers to one checked table with splits, before anything is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from systems.data.classes import Classes, classes_of, encode_labels
from systems.data.columns import (
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
from systems.data.digits import digits_table
from systems.data.forms.pictures import LARGEST_DEFAULT, Shape, inspect, shape_of
from systems.data.sharding import Dataset, schema
from systems.data.sources import Source, read_source
from systems.data.sources import source_name as name_of
from systems.data.splitting import LEFT_OUT, Draw
from systems.settings.params import Params
from unlearning.domain import HOLDOUT, TEST, TRAIN, TextArray
from unlearning.errors import UsageError

DIGITS = "digits"
# What the seed is mixed with, so that the draws do not depend on each other.
_PEOPLE, _SPLITS = 1, 2


@dataclass(frozen=True, eq=False)
class Gathered:
    """What a source holds: its examples with their splits, what the data set is.

    notes: what was done to the data that its owner may not expect, in words; no ids.
    expected: the splits that must not be empty. draw: of the training file's splits. places: of
    each example its source's name and row.
    """

    table: pa.Table
    dataset: Dataset
    notes: tuple[str, ...]
    expected: tuple[str, ...]
    draw: Draw
    places: tuple[tuple[str, int], ...] = ()


def gather(
    source: Source, params: Params, most: Callable[[int], int] = lambda examples: LARGEST_DEFAULT
) -> Gathered:
    """Read and check a source; UsageError names file and row.

    Images are looked at for the rows that are kept only. most: pixels a side at most, where
    nothing is asked for, by the number of examples to train on.
    """
    train = _training_rows(source, params)
    classes = classes_of(train, as_written=source.as_written)
    encoded = encode_labels(train, classes)
    draw = _draw(encoded, source, params)
    parts = [(encoded, draw.splits(0.0 if source.holdout else params.data.holdout_fraction))]
    for split, path in ((HOLDOUT, source.holdout), (TEST, source.test)):
        if path is not None:
            rows = _given_rows(path, source, split, classes)
            for earlier, _ in parts:
                _refuse_known(rows, earlier, EXAMPLE, "example id")
                _refuse_known(rows, earlier, SUBJECT, "subject")
            parts.append((rows, np.full(rows.table.num_rows, split)))
    if not source.as_written:
        refuse_alike([rows for rows, _ in parts], EXAMPLE, "example id")
        refuse_alike([rows for rows, _ in parts], SUBJECT, "subject")
    kept = [_kept(rows, splits) for rows, splits in parts]
    _refuse_one_class(kept[0][2], train.name)
    seen = [inspect(t[IMAGE].to_pylist(), numbers, name=r.name) for r, numbers, t in kept]
    trained = kept[0][2][SPLIT].to_pylist().count(TRAIN)
    shape = shape_of(seen, size=params.data.size, most=most(trained))
    tables = [table for _, _, table in kept]
    dataset = _describe(source, params, classes, shape, tables)
    notes = (*shape.notes, *_people(train))
    places = tuple((rows.name, number) for rows, numbers, _ in kept for number in numbers)
    return Gathered(_joined(tables), dataset, notes, splits_expected(source, params), draw, places)


def _training_rows(source: Source, params: Params) -> Rows:
    if source.data == DIGITS:
        rng = np.random.default_rng([params.seed, _PEOPLE])
        data = params.data
        digits = digits_table(rng, people_images=data.people_images, label_noise=data.label_noise)
        return Rows(digits, DIGITS)
    return _rows(Path(source.data), source)


def _given_rows(path: Path, source: Source, split: str, classes: Classes) -> Rows:
    return encode_labels(_rows(path, source, prefix=f"{split}-"), classes)


def _rows(path: Path, source: Source, *, prefix: str = "") -> Rows:
    raw, columns = read_source(path, source.columns), source.columns
    name = name_of(path)
    return normalise(raw, columns, name=name, prefix=prefix, as_written=source.as_written)


def _people(train: Rows) -> tuple[str, ...]:
    if not train.alone:
        return ()
    return (f"{train.name} names no people: every picture counts as a person of its own",)


def _refuse_one_class(kept: pa.Table, name: str) -> None:
    """Splits and --limit may leave one class to train on."""
    trained = kept.filter(pc.equal(kept[SPLIT], TRAIN))
    if trained.num_rows and len(pc.unique(trained[LABEL])) < 2:
        raise UsageError(
            f"{name}: of the {trained.num_rows} examples to train on all are of one class, "
            "expected at least 2 classes: give more data, a larger --limit or smaller fractions"
        )


def source_name(data: str) -> str:
    """Give the name by which a data set is recorded: digits, or that of its file."""
    return DIGITS if data == DIGITS else name_of(Path(data))


def _draw(train: Rows, source: Source, params: Params) -> Draw:
    return Draw(
        np.array(train.table[SUBJECT].to_pylist()),
        train.table[LABEL].to_numpy(),
        seed=(params.seed, _SPLITS),
        test=0.0 if source.test else params.data.test_fraction,
        limit=source.limit,
    )


def _kept(rows: Rows, splits: TextArray) -> tuple[Rows, list[int], pa.Table]:
    """Drop what the limit leaves out; row numbers stay those of the user's file."""
    kept = np.flatnonzero(splits != LEFT_OUT)
    table = rows.table.take(kept).append_column(SPLIT, pa.array(splits[kept].tolist()))
    return rows, kept.tolist(), table


def _refuse_known(rows: Rows, earlier: Rows, column: str, what: str) -> None:
    """Nobody is in two splits, and an id names one example."""
    known = pc.is_in(rows.table[column], earlier.table[column].combine_chunks())
    if pc.any(known).as_py():
        row = int(np.asarray(known).argmax())
        raise UsageError(
            f"{rows.name}: row {row}: its {what} is also in {earlier.name}, expected another: "
            "remove the row from one of the files"
        )


def _joined(tables: list[pa.Table]) -> pa.Table:
    """One table with every attribute of any part; a part that lacks one has empty text there."""
    attributes = sorted({name for table in tables for name in attributes_of(table)})
    wanted = schema(attributes)

    def complete(table: pa.Table) -> pa.Table:
        empty = pa.array([""] * table.num_rows)
        columns = [table[name] if name in table.column_names else empty for name in wanted.names]
        return pa.table(columns, names=wanted.names).cast(wanted)

    return pa.concat_tables([complete(table) for table in tables])


def _describe(
    source: Source, params: Params, classes: Classes, shape: Shape, tables: list[pa.Table]
) -> Dataset:
    digits = source.data == DIGITS
    return Dataset(
        name=source_name(source.data),
        classes=classes.names,
        size=shape.size,
        channels=shape.channels,
        shards=params.data.shards,
        attributes=tuple(sorted({name for table in tables for name in attributes_of(table)})),
        label_noise=params.data.label_noise if digits else 0.0,
    )


def splits_expected(source: Source, params: Params) -> tuple[str, ...]:
    """The splits that must not be empty: train, test, and holdout unless none is asked for."""
    holdout = source.holdout is not None or params.data.holdout_fraction > 0
    return (TRAIN, HOLDOUT, TEST) if holdout else (TRAIN, TEST)
