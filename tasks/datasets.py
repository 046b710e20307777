"""Data as the flows use it: what a selector means, examples in memory, and the doors behind.

Import and erasure have modules of their own; their functions are offered here too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ledger.domain import Selector
from tasks.columns import EXAMPLE, IMAGE, LABEL, SPLIT, SUBJECT
from tasks.erasing import Erasure, erase
from tasks.images import decode
from tasks.importing import Imported, import_dataset
from tasks.purging import Copy, Status, holds, purge
from tasks.reading import read_table, verified_shards
from tasks.settings import Workspace
from tasks.sharding import Dataset, Manifest, load_dataset, load_manifest
from tasks.sources import Columns, Source
from tasks.splitting import HOLDOUT, SPLITS, TEST, TRAIN
from tasks.versions import commit, data_version
from unlearning.domain import Examples
from unlearning.errors import RequestDenied, UsageError

__all__ = [
    "Columns",
    "Copy",
    "Dataset",
    "Erasure",
    "Imported",
    "Manifest",
    "Resolution",
    "Source",
    "Status",
    "classes",
    "commit",
    "counts",
    "data_version",
    "erase",
    "extract",
    "holds",
    "image_digests",
    "import_dataset",
    "load_dataset",
    "load_examples",
    "load_manifest",
    "purge",
    "read_table",
    "resolve",
    "verified_shards",
    "verify",
]

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


def load_examples(ws: Workspace) -> dict[str, Examples]:
    """Decode train, holdout and test, each ordered by example id; the shards are checked first."""
    table, dataset = read_table(ws, [IMAGE, LABEL, EXAMPLE, SUBJECT, SPLIT]), load_dataset(ws)
    return {split: _decoded(_of_split(table, split), dataset) for split in SPLITS}


def verify(ws: Workspace) -> None:
    """Check every shard; IntegrityError or InfrastructureError as in `verified_shards`."""
    verified_shards(ws)


def classes(ws: Workspace) -> tuple[str, ...]:
    """The names of the classes, by index."""
    return load_dataset(ws).classes


def counts(ws: Workspace) -> dict[str, int]:
    """The number of examples of each split, read from the manifest."""
    by_class = load_manifest(ws).counts
    return {split: sum(by_class.get(split, {}).values()) for split in SPLITS}


def extract(ws: Workspace, ids: Collection[str]) -> Examples:
    """Decode these examples, ordered by example id; RequestDenied unless all are there."""
    return _decoded(_rows(ws, ids, [IMAGE, LABEL, EXAMPLE, SUBJECT]), load_dataset(ws))


def image_digests(ws: Workspace, ids: Collection[str]) -> list[tuple[str, str]]:
    """Give (example id, SHA-256 of the stored image) of these examples, for the suppression list.

    RequestDenied unless all are there.
    """
    table = _rows(ws, ids, [IMAGE, EXAMPLE])
    return [
        (example, hashlib.sha256(image).hexdigest())
        for example, image in zip(table[EXAMPLE].to_pylist(), table[IMAGE].to_pylist(), strict=True)
    ]


def _rows(ws: Workspace, ids: Collection[str], columns: list[str]) -> pa.Table:
    wanted = sorted(set(ids))
    table = read_table(ws, columns)
    found = table.filter(pc.is_in(table[EXAMPLE], pa.array(wanted, pa.string())))
    if found.num_rows < len(wanted):
        raise RequestDenied(
            f"{len(wanted) - found.num_rows} of {len(wanted)} examples are not in data version "
            f"{data_version(ws)}, expected all: resolve the request again"
        )
    return found


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


def _of_split(table: pa.Table, split: str) -> pa.Table:
    return table.filter(pc.equal(table[SPLIT], split))


def _decoded(table: pa.Table, dataset: Dataset) -> Examples:
    return Examples(
        images=decode(table[IMAGE].to_pylist(), size=dataset.size, channels=dataset.channels),
        labels=table[LABEL].to_numpy().astype(np.int64),
        ids=np.array(table[EXAMPLE].to_pylist(), dtype=np.str_),
        subjects=np.array(table[SUBJECT].to_pylist(), dtype=np.str_),
    )
