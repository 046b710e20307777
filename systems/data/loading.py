"""The data version: examples decoded and ordered, counts, digests."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from systems.data import decoded, index
from systems.data.columns import EXAMPLE, IMAGE, LABEL, SPLIT, SUBJECT
from systems.data.earlier import earlier_table
from systems.data.reading import checked_shards, parse, read_table
from systems.data.reading import verify as verify
from systems.data.sharding import Dataset, load_dataset, load_manifest
from systems.data.versions import data_version
from systems.settings.workspace import Workspace
from unlearning.domain import SPLITS, TRAIN, ByteArray, Examples
from unlearning.errors import RequestDenied
from unlearning.stored import Lazy


def load_examples(ws: Workspace) -> dict[str, Examples]:
    """Decode train, holdout and test, each ordered by example id; the shards are checked first.

    What is too much for memory lies decoded in a file, and is read as it is needed.
    """
    dataset = load_dataset(ws)
    if decoded.too_large(ws, dataset):
        return _on_disk(ws, decoded.pictures(ws, dataset))
    return decoded_by_split(read_table(ws, [IMAGE, LABEL, EXAMPLE, SUBJECT, SPLIT]), dataset)


def decoded_by_split(table: pa.Table, dataset: Dataset) -> dict[str, Examples]:
    """Decode the rows of shards, ordered by example id, in memory."""
    return {split: _decoded(_of_split(table, split), dataset) for split in SPLITS}


def _on_disk(ws: Workspace, pictures: Lazy) -> dict[str, Examples]:
    """Give the examples of each split, whose pictures lie in a file in the order of their ids."""
    table = read_table(ws, [LABEL, EXAMPLE, SUBJECT, SPLIT])
    everything = _described(table, pictures)
    splits = np.array(table[SPLIT].to_pylist())
    return {split: everything.take(splits == split) for split in SPLITS}


def listed(ws: Workspace, erased: Callable[[str, str], bool]) -> int:
    """Count the examples that were erased; asked with (example id, SHA-256 of the image)."""
    return len(listed_ids(ws, erased))


def listed_ids(ws: Workspace, erased: Callable[[str, str], bool]) -> list[str]:
    """Give the ids, sorted, of the examples that were erased; asked as in `listed`."""
    tables = (parse(content, [IMAGE, EXAMPLE]) for _, content in checked_shards(ws))
    pairs = (pair for table in tables for pair in image_digests(table))
    return sorted(example for example, image in pairs if erased(example, image))


def trained_on(ws: Workspace, ids: Collection[str]) -> int:
    """Count those of these examples that are trained on."""
    table = read_table(ws, [SPLIT], index.load(ws).shards(EXAMPLE, ids))
    pairs = zip(table[EXAMPLE].to_pylist(), table[SPLIT].to_pylist(), strict=True)
    wanted = frozenset(ids)
    return sum(split == TRAIN and example in wanted for example, split in pairs)


def classes(ws: Workspace) -> tuple[str, ...]:
    """The names of the classes, by index."""
    return load_dataset(ws).classes


def counts(ws: Workspace) -> dict[str, int]:
    """The number of examples of each split, read from the manifest."""
    by_class = load_manifest(ws).counts
    return {split: sum(by_class.get(split, {}).values()) for split in SPLITS}


def leaving(
    ws: Workspace, ids: Collection[str], version: str | None = None
) -> tuple[list[tuple[str, str]], list[str]]:
    """Give what goes with these examples, for the suppression list: personal data.

    That is (example id, SHA-256 of the stored image) of each, and the subjects of whom nothing
    would be left. RequestDenied unless all are there. version: a data version to be read in cache
    or remote instead, for examples of which some are gone.
    """
    columns = [IMAGE, EXAMPLE, SUBJECT]
    table = earlier_table(ws, version, columns) if version else None
    if table is None:
        # All that a subject has lies in one shard, so these tell of whom nothing would be left.
        table = read_table(ws, columns, index.load(ws).shards(EXAMPLE, ids))
    gone = pc.is_in(table[EXAMPLE], pa.array(sorted(set(ids)), pa.string()))
    going, staying = table.filter(gone), table.filter(pc.invert(gone))
    _refuse_missing(ws, ids, going)
    subjects = set(going[SUBJECT].to_pylist()) - set(staying[SUBJECT].to_pylist())
    return image_digests(going), sorted(subjects)


def image_digests(table: pa.Table) -> list[tuple[str, str]]:
    """Give (example id, SHA-256 of the stored image) of each row."""
    return [
        (example, hashlib.sha256(image).hexdigest())
        for example, image in zip(table[EXAMPLE].to_pylist(), table[IMAGE].to_pylist(), strict=True)
    ]


def _refuse_missing(ws: Workspace, ids: Collection[str], found: pa.Table) -> None:
    wanted = len(set(ids))
    if found.num_rows < wanted:
        raise RequestDenied(
            f"{wanted - found.num_rows} of {wanted} examples are not in data version "
            f"{data_version(ws)}, expected all: resolve the request again"
        )


def _of_split(table: pa.Table, split: str) -> pa.Table:
    return table.filter(pc.equal(table[SPLIT], split))


def _decoded(table: pa.Table, dataset: Dataset) -> Examples:
    from systems.data.images import decode  # Pillow: whoever only names examples decodes none

    images = decode(table[IMAGE].to_pylist(), size=dataset.size, channels=dataset.channels)
    return _described(table, images)


def _described(table: pa.Table, images: ByteArray | Lazy) -> Examples:
    return Examples(
        images=images,
        labels=table[LABEL].to_numpy().astype(np.int64),
        ids=np.array(table[EXAMPLE].to_pylist(), dtype=np.str_),
        subjects=np.array(table[SUBJECT].to_pylist(), dtype=np.str_),
    )
