"""Data that somebody hands over beside a workspace: a copy of data/, at whatever version."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from ledger import durable
from systems.data.columns import EXAMPLE
from systems.data.loading import decoded_by_split
from systems.data.reading import parse
from systems.data.sharding import read_dataset
from unlearning.domain import Examples
from unlearning.errors import UsageError


def given_examples(folder: Path) -> tuple[dict[str, Examples], tuple[str, ...]]:
    """Decode a copy of data/ as `loading.load_examples` does, and name its classes.

    Nothing says here what the bytes must be: whoever uses them holds them against a digest.
    """
    shards = sorted((folder / "shards").glob("*.parquet"))
    if not shards:
        raise UsageError(
            f"--data: {folder.name} holds no shards/*.parquet, expected a copy of a workspace's "
            "data/, dataset.json with it"
        )
    dataset = read_dataset(folder / "dataset.json")
    table = pa.concat_tables(parse(durable.read(path)) for path in shards).sort_by(EXAMPLE)
    return decoded_by_split(table, dataset), dataset.classes
