"""Taking data in: read, check, split, shard, commit; a failed import leaves nothing behind."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ledger import durable
from systems.data import index, versions
from systems.data.columns import EXAMPLE, IMAGE, SPLIT, SUBJECT
from systems.data.gathering import gather, splits_expected
from systems.data.purging import current_keys, remove_objects
from systems.data.sharding import (
    Dataset,
    Manifest,
    Shard,
    columns_text,
    count,
    dataset_bytes,
    describe,
    save_manifest,
    shard_bytes,
    spread,
)
from systems.data.sources import Source
from systems.data.splitting import refuse_empty
from systems.settings.params import Params
from systems.settings.workspace import Workspace
from unlearning.errors import InfrastructureError, UsageError

Suppressed = Callable[[str, str], bool]
"""Asked with (example id, SHA-256 of the image bytes); True if it was erased before."""

_HALFWAY = ".importing"


@dataclass(frozen=True)
class Imported:
    """What came in.

    counts: examples by split and class. suppressed: erased ones, left out. notes: what was done
    to the data that its owner may not expect, in words.
    """

    data_version: str
    examples: int
    subjects: int
    classes: int
    suppressed: int
    counts: Mapping[str, Mapping[str, int]]
    notes: tuple[str, ...] = ()


def nobody(example_id: str, image_sha256: str) -> bool:
    """Suppress nothing: for a workspace that has never erased anything."""
    return False


def import_dataset(
    ws: Workspace,
    source: Source,
    params: Params,
    *,
    key: bytes,
    suppressed: Suppressed = nobody,
) -> Imported:
    """Make data/ from a source and commit it as the first data version.

    key: the shard key. UsageError names the row that does not fit. The splits are drawn before
    erased examples are left out, so that nobody changes sides because somebody else is gone.
    """
    _refuse_second(ws)
    gathered = gather(source, params)
    table, dataset = gathered.table, gathered.dataset
    kept = _without_erased(table, suppressed)
    splits = np.array(kept[SPLIT].to_pylist(), dtype=str)
    refuse_empty(splits, name=dataset.name, expected=splits_expected(source, params))
    with durable.storing(ws.data):
        versions.create(ws, params.remote.url)
        manifest = _written(ws, kept, dataset, key)
    manifest = _committed(ws, manifest)
    index.build(ws)
    return Imported(
        data_version=manifest.data_version,
        examples=kept.num_rows,
        subjects=len(pc.unique(kept[SUBJECT])),
        classes=len(dataset.classes),
        suppressed=table.num_rows - kept.num_rows,
        counts=manifest.counts,
        notes=gathered.notes,
    )


def _refuse_second(ws: Workspace) -> None:
    """Refuse a workspace with data; sweep what an import left that was cut off."""
    if ws.manifest.exists():
        raise UsageError(
            f"data/: holds data version {versions.data_version(ws)} already, expected none: "
            "import into another workspace"
        )
    if ws.data_file.exists() or ws.data.exists():
        _discard(ws)


def _without_erased(table: pa.Table, suppressed: Suppressed) -> pa.Table:
    pairs = zip(table[EXAMPLE].to_pylist(), table[IMAGE].to_pylist(), strict=True)
    erased = [suppressed(example, hashlib.sha256(image).hexdigest()) for example, image in pairs]
    return table.filter(pa.array([not gone for gone in erased], pa.bool_()))


def _written(ws: Workspace, table: pa.Table, dataset: Dataset, key: bytes) -> Manifest:
    """Write all files beside data/, then give the folder its name."""
    halfway = ws.root / _HALFWAY
    shutil.rmtree(halfway, ignore_errors=True)
    try:
        (halfway / ws.shards.name).mkdir(parents=True)
        shards: dict[str, Shard] = {}
        for name, rows in spread(table, key=key, shards=dataset.shards).items():
            content = shard_bytes(rows)
            durable.write(halfway / ws.shards.name / f"{name}.parquet", content)
            shards[name] = describe(content, rows)
        about = dataset_bytes(dataset)
        durable.write(halfway / ws.dataset.name, about)
        halfway.rename(ws.data)
    except BaseException:
        shutil.rmtree(halfway, ignore_errors=True)
        raise
    return Manifest(
        data_version="",
        dataset_sha256=hashlib.sha256(about).hexdigest(),
        columns=columns_text(dataset.attributes),
        shards=shards,
        counts=count([table], dataset.classes),
    )


def _committed(ws: Workspace, manifest: Manifest) -> Manifest:
    """Add and push; the manifest comes last and says that the import is whole."""
    try:
        manifest = replace(manifest, data_version=versions.commit(ws))
        save_manifest(ws, manifest)
    except BaseException:
        _discard(ws)
        raise
    return manifest


def _discard(ws: Workspace) -> None:
    """Remove data that never became a version, from DVC's places too as far as they answer."""
    keys = current_keys(ws) if ws.data_file.exists() else frozenset()
    shutil.rmtree(ws.data, ignore_errors=True)
    ws.data_file.unlink(missing_ok=True)
    if keys:
        with suppress(InfrastructureError):
            remove_objects(ws, keys)
