"""Examples that are there and look like erased pictures, by where they lie."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pyarrow as pa

from ledger.suppression import Likeness
from systems.data.alike.hashing import hashes
from systems.data.alike.nearness import alike
from systems.data.columns import EXAMPLE, IMAGE
from systems.data.reading import checked_shards, parse
from systems.settings.workspace import Workspace


@dataclass(frozen=True)
class Present:
    """An example that looks like an erased picture: its id, which is personal data, and its place.

    listed: the number of the likeness.
    """

    example: str
    place: str
    listed: int


def present(
    ws: Workspace, listed: Sequence[Likeness], most: int, apart_from: Collection[str]
) -> list[Present]:
    """Find what looks like an erased picture in all data, but for these examples.

    most: bits of the likeness by which a picture may differ, at most.
    """
    shards = checked_shards(ws) if listed else ()
    return [
        found
        for name, content in shards
        for found in _in_shard(name, content, listed, most, frozenset(apart_from))
    ]


def _in_shard(
    name: str, content: bytes, listed: Sequence[Likeness], most: int, apart: frozenset[str]
) -> list[Present]:
    table = parse(content, [IMAGE, EXAMPLE])
    examples = table[EXAMPLE].to_pylist()
    rows = [row for row, example in enumerate(examples) if example not in apart]
    seen, there = hashes(table[IMAGE].take(pa.array(rows, pa.int64())).to_pylist())
    near = {row: one for row, one in alike(seen, listed, most) if there[row]}
    return [
        Present(examples[rows[n]], f"{rows[n]} of data/shards/{name}.parquet", one)
        for n, one in near.items()
    ]
