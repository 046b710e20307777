"""A workspace with much data and no model: people with ten pictures each, of CIFAR-10's size."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from ledger import keys
from systems.data.importing import import_dataset
from systems.data.sources import Source
from systems.settings.params import load_params
from systems.settings.workspace import Workspace, write_templates

EACH, SIDE, CLASSES, SHARDS = 10, 32, 10, 256


def name(person: int) -> str:
    """Name a person."""
    return f"person-{person:06d}"


def workspace(folder: Path, examples: int) -> int:
    """Import so many examples into a new workspace; give the bytes of its shards."""
    ws = Workspace.at(folder)
    write_templates(ws)
    keys.create_keys(ws.keys, ws.records)
    params = load_params(ws.root)
    params = dataclasses.replace(params, data=dataclasses.replace(params.data, shards=SHARDS))
    offered = folder.with_suffix(".parquet")
    pq.write_table(_table(examples), offered)
    import_dataset(ws, Source(str(offered)), params, key=keys.shard_key(ws.keys))
    offered.unlink()
    return sum(path.stat().st_size for path in ws.shards.iterdir())


def _table(examples: int) -> pa.Table:
    rng = np.random.default_rng(0)
    return pa.table(
        {
            "image": pa.array([_png(rng) for _ in range(examples)], pa.binary()),
            "label": np.arange(examples) % CLASSES,
            "subject_id": [name(row // EACH) for row in range(examples)],
            "example_id": [f"example-{row:07d}" for row in range(examples)],
        }
    )


def _png(rng: np.random.Generator) -> bytes:
    """Noise, which is as large as a photograph of this size: some 3 KB."""
    file = io.BytesIO()
    pixels = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()
