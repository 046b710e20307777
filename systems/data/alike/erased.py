"""What erased pictures look like, for the suppression list, and by how much another may differ.

How near is near depends on the data: two photographs of CIFAR-10 differ by 38 bits of 128 where
they are nearest, two digits of 8 x 8 pixels by 20. So of each erased picture it is noted how far
the pictures of others are, in a sample of the data that it is erased from. That is measured to one
that a hundredth are nearer than, so that copies of it under other names do not make all look far.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from math import ceil

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ledger.suppression import Likeness
from systems.data import index
from systems.data.alike.hashing import Hashes, hashes, mirrored
from systems.data.alike.nearness import nearest
from systems.data.columns import EXAMPLE, IMAGE, SUBJECT
from systems.data.earlier import earlier_table
from systems.data.reading import checked_shards, parse, read_table
from systems.settings.workspace import Workspace

SAMPLE = 1_000
"""Pictures of others, at most, that an erased one is told apart from."""

NEARER, FEWEST = 0.01, 3
"""The share of others, or so many, that may be copies of it: how far others are is told beyond."""

SHARE = 0.375
"""Of the way to others, within which a picture is taken for the erased one: `benchmarks.alike`."""

_COLUMNS = [IMAGE, EXAMPLE, SUBJECT]


def likenesses(
    ws: Workspace, ids: Collection[str], version: str | None = None
) -> tuple[list[Likeness], int]:
    """Give the likenesses of these examples, and how many are too plain to have any.

    version: a data version to be read in cache or remote instead, for examples of which some are
    gone; then it comes to the same.
    """
    table = earlier_table(ws, version, _COLUMNS) if version else None
    everybody = read_table(ws, [EXAMPLE, SUBJECT]) if table is None else table
    chosen = _sampled(everybody, ids)
    if table is None:
        table = _of(ws, {*ids, *chosen})
    going, staying = _rows(table, ids), _rows(table, chosen)
    others, there = hashes(staying[IMAGE].to_pylist())
    found = told_apart(going[IMAGE].to_pylist(), others[there])
    return found, going.num_rows - len(found)


def _sampled(everybody: pa.Table, ids: Collection[str]) -> list[str]:
    """Choose examples of people of whom nothing goes, whatever their order: by their digests."""
    gone = pc.is_in(everybody[EXAMPLE], pa.array(sorted(set(ids)), pa.string()))
    theirs = pc.is_in(everybody[SUBJECT], everybody.filter(gone)[SUBJECT].combine_chunks())
    others = everybody.filter(pc.invert(theirs))[EXAMPLE].to_pylist()
    return sorted(others, key=lambda one: hashlib.sha256(one.encode()).digest())[:SAMPLE]


def _of(ws: Workspace, ids: Collection[str]) -> pa.Table:
    """Read some examples, a shard at a time."""
    shards = checked_shards(ws, index.load(ws).shards(EXAMPLE, ids))
    return pa.concat_tables([_rows(parse(content, _COLUMNS), ids) for _, content in shards])


def _rows(table: pa.Table, ids: Collection[str]) -> pa.Table:
    return table.filter(pc.is_in(table[EXAMPLE], pa.array(sorted(set(ids)), pa.string())))


def told_apart(images: list[bytes], others: Hashes) -> list[Likeness]:
    """Give the likenesses of encoded pictures that have one; others: (n, 2), other people's."""
    (seen, there), turned = hashes(images), mirrored(images)
    place = max(FEWEST, ceil(NEARER * len(others))) - 1
    bits = np.minimum(nearest(seen, others, place), nearest(turned, others, place))
    within = np.floor(SHARE * bits).astype(int)
    return [
        Likeness(seen[row].tobytes(), turned[row].tobytes(), int(within[row]))
        for row in there.nonzero()[0]
    ]
