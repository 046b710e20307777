"""What selectors mean in the present data version: example ids, by split.

Subjects and examples are looked for in the shards that the index names, everything else in all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ledger.domain import Selector
from systems.data import index
from systems.data.columns import EXAMPLE, LABEL, SPLIT, SUBJECT
from systems.data.earlier import earlier_table
from systems.data.reading import read_table
from systems.data.sharding import Dataset, load_dataset, load_manifest
from systems.data.texts import look
from systems.settings.workspace import Workspace
from unlearning.domain import HOLDOUT, SPLITS, TEST, TRAIN
from unlearning.errors import UsageError

_COLUMN_OF = {"subject": SUBJECT, "example": EXAMPLE, "class": LABEL}


class NoAttribute(UsageError):
    """A selector names a column that the data do not have."""


@dataclass(frozen=True)
class Resolution:
    """What a selector means in the data version: example ids by split, sorted; personal data.

    unknown: the selector's values to which nothing belongs. alike: those that another value of
    the data looks like, one that was not selected.
    """

    train: tuple[str, ...]
    holdout: tuple[str, ...]
    test: tuple[str, ...]
    unknown: tuple[str, ...]
    alike: tuple[str, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """All example ids."""
        return self.train + self.holdout + self.test


def by_split(found: Sequence[Resolution]) -> dict[str, list[str]]:
    """Give the ids that any of these means, by split, sorted."""
    return {part: sorted({i for one in found for i in getattr(one, part)}) for part in SPLITS}


def resolve_all(ws: Workspace, selectors: Sequence[Selector]) -> list[Resolution]:
    """Find the examples of each selector; the shards that hold any are read and checked once.

    NoAttribute if a selector names a column that is none.
    """
    dataset = load_dataset(ws)
    columns = [_column(selector, dataset) for selector in selectors]
    if not selectors:
        return []
    table = read_table(ws, [*columns, SPLIT], _shards(ws, selectors))
    pairs = zip(selectors, columns, strict=True)
    return [_resolution(table, column, selector, dataset) for selector, column in pairs]


def resolve_earlier(
    ws: Workspace, version: str, selectors: Sequence[Selector]
) -> list[Resolution] | None:
    """Find the examples in a data version as cache or remote hold it; None where none has all."""
    dataset = load_dataset(ws)
    columns = [_column(selector, dataset) for selector in selectors]
    table = earlier_table(ws, version, [*columns, SPLIT])
    if table is None:
        return None
    pairs = zip(selectors, columns, strict=True)
    return [_resolution(table, column, selector, dataset) for selector, column in pairs]


def _column(selector: Selector, dataset: Dataset) -> str:
    if selector.kind != "where":
        return _COLUMN_OF[selector.kind]
    if selector.column not in dataset.attributes:
        known = ", ".join(dataset.attributes) or "none"
        raise NoAttribute(
            f"where: the data has no attribute '{selector.column}', it has {known}: name one of "
            "them, or select by subject, example or class"
        )
    return str(selector.column)


def _shards(ws: Workspace, selectors: Sequence[Selector]) -> frozenset[str] | None:
    """Name the shards that can hold what is selected; None where it may be any."""
    if any(_COLUMN_OF.get(selector.kind) not in index.INDEXED for selector in selectors):
        return None
    known = index.load(ws)
    found = (known.shards_alike(_COLUMN_OF[one.kind], one.values) for one in selectors)
    return frozenset[str]().union(*found)


def _resolution(table: pa.Table, column: str, selector: Selector, dataset: Dataset) -> Resolution:
    """Pick a selector's rows; the table is ordered by example id, and so are the ids.

    In Python: comparing with Arrow would first import pandas, which takes longer.
    """
    values = table[column].to_pylist()
    if selector.kind == "class":
        values = [dataset.classes[label] for label in values]
    wanted, seen = frozenset(selector.values), set()
    only, without = frozenset(selector.only), frozenset(selector.without)
    splits: dict[str, list[str]] = {split: [] for split in SPLITS}
    for value, example, split in zip(values, *_columns(table, EXAMPLE, SPLIT), strict=True):
        if value in wanted:
            seen.add(value)
            if example not in without and (not only or example in only):
                splits[split].append(example)
    unknown = tuple(value for value in dict.fromkeys(selector.values) if value not in seen)
    train, holdout, test = (tuple(splits[split]) for split in (TRAIN, HOLDOUT, TEST))
    return Resolution(train, holdout, test, unknown, _alike(set(values) - seen, selector.values))


def _alike(others: Iterable[str], values: Iterable[str]) -> tuple[str, ...]:
    """The selected values that one of the others looks like; the index knows values by looks."""
    looks = {look(value) for value in others}
    return tuple(value for value in dict.fromkeys(values) if look(value) in looks)


def _columns(table: pa.Table, *names: str) -> list[list[Any]]:
    return [table[name].to_pylist() for name in names]


def classes_left(ws: Workspace, without: Collection[str]) -> int:
    """Count the classes that are left to train on without these examples, 2 for any more."""
    counts = load_manifest(ws).counts.get(TRAIN, {}).values()
    if len(without) < sum(counts) - max(counts, default=0):
        return 2  # no one class holds all that is left
    gone = frozenset(without)
    return len({label for example, label in trained(ws) if example not in gone})


def trained(ws: Workspace) -> list[tuple[str, int]]:
    """Give the id and the label of each training example; every shard is read."""
    rows = zip(*_columns(read_table(ws, [LABEL, SPLIT]), EXAMPLE, LABEL, SPLIT), strict=True)
    return [(example, label) for example, label, split in rows if split == TRAIN]
