"""A data version that is not the present one, read where cache or remote still hold it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath

import pyarrow as pa

from systems.data.columns import EXAMPLE
from systems.data.listings import in_places, listing_of, md5
from systems.data.reading import parse
from systems.data.stores import ObjectStore
from systems.settings.workspace import Workspace


def earlier_table(ws: Workspace, version: str, columns: Sequence[str]) -> pa.Table | None:
    """Read these columns of all shards of a version, ordered by example id.

    None where an object of it is nowhere. An object whose bytes are not those of its key is none.
    """
    keys = [key for path, key in listing_of(ws, version).items() if _is_shard(path)]
    wanted = list(dict.fromkeys([*columns, EXAMPLE]))

    def read(places: Sequence[ObjectStore]) -> list[bytes | None]:
        return [next(_genuine(places, key), None) for key in keys]

    tables = [content and parse(content, wanted) for content in in_places(ws, read)]
    whole = [table for table in tables if table is not None]
    if not keys or len(whole) < len(keys):
        return None
    return pa.concat_tables(whole).sort_by(EXAMPLE)


def _genuine(places: Iterable[ObjectStore], key: str) -> Iterator[bytes]:
    """Give an object's bytes from each place that has it as it was stored."""
    for place in places:
        try:
            content = place.read(key)
        except FileNotFoundError:
            continue
        if md5(content) == key:
            yield content


def _is_shard(path: str) -> bool:
    return PurePosixPath(path).suffix == ".parquet"
