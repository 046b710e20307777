"""Who is in the data version: its rows without the images, kept while the workspace is open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from systems.data import reading, versions
from tasks.running.opened import Opened

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = ("label", "example_id", "subject_id", "split")


def rows_of(at: Opened) -> pa.Table:
    """Give the rows of the present data version, of which every shard was read and checked.

    Done once for each version and opening, for whoever asks.
    """
    version = versions.data_version(at.ws)
    kept = at.kept.get("rows")
    if kept is None or kept[0] != version:
        at.kept["rows"] = kept = (version, reading.read_table(at.ws, COLUMNS))
    return kept[1]
