"""What a selector means in the present data version: example ids, by split."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from ledger.domain import Selector
from systems.data.columns import EXAMPLE, LABEL, SPLIT, SUBJECT
from systems.data.reading import read_table
from systems.data.sharding import load_dataset
from systems.settings.workspace import Workspace
from unlearning.domain import HOLDOUT, SPLITS, TEST, TRAIN
from unlearning.errors import UsageError

_COLUMN_OF = {"subject": SUBJECT, "example": EXAMPLE, "class": LABEL}


@dataclass(frozen=True)
class Resolution:
    """What a selector means in the data version: example ids by split, sorted; personal data.

    unknown: the selector's values to which nothing belongs.
    """

    train: tuple[str, ...]
    holdout: tuple[str, ...]
    test: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """All example ids."""
        return self.train + self.holdout + self.test


def resolve(ws: Workspace, selector: Selector) -> Resolution:
    """Find the examples that a selector means; UsageError if it names a column that is none."""
    column = selector.column if selector.kind == "where" else _COLUMN_OF[selector.kind]
    dataset = load_dataset(ws)
    if selector.kind == "where" and column not in dataset.attributes:
        known = ", ".join(dataset.attributes) or "none"
        raise UsageError(
            f"where: the data has no attribute '{column}', it has {known}: name one of them, or "
            "select by subject, example or class"
        )
    table = read_table(ws, [str(column), SPLIT])
    values = table[column].to_pylist()
    if selector.kind == "class":
        values = [dataset.classes[label] for label in values]
    return _resolution(table, values, frozenset(selector.values), selector.values)


def _resolution(
    table: pa.Table, values: list[str], wanted: frozenset[str], order: tuple[str, ...]
) -> Resolution:
    splits: dict[str, list[str]] = {split: [] for split in SPLITS}
    seen = set()
    rows = zip(values, table[EXAMPLE].to_pylist(), table[SPLIT].to_pylist(), strict=True)
    for value, example, split in rows:
        if value in wanted:
            splits[split].append(example)
            seen.add(value)
    return Resolution(
        train=tuple(splits[TRAIN]),
        holdout=tuple(splits[HOLDOUT]),
        test=tuple(splits[TEST]),
        unknown=tuple(value for value in dict.fromkeys(order) if value not in seen),
    )
