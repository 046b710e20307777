"""Taking data in: read, check, split, shard, commit; a failed import leaves nothing behind."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ledger import durable
from systems.data import index, versions
from systems.data.columns import EXAMPLE, IMAGE, SPLIT, SUBJECT
from systems.data.gathering import Gathered, gather
from systems.data.listings import keys_of_files, version_of_files
from systems.data.purging import remove_cached, remove_objects
from systems.data.remote import owner
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
from unlearning.counting import counted
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
    """Make data/ from a source and commit it as the first data version, as `take_in` does."""
    return take_in(ws, gather(source, params), params, key=key, suppressed=suppressed)


def take_in(
    ws: Workspace, offered: Gathered, params: Params, *, key: bytes, suppressed: Suppressed = nobody
) -> Imported:
    """Make data/ and commit it as the first data version; if that fails, nothing of it is left.

    key: the shard key. The splits were drawn before erased examples are left out here, so that
    nobody changes sides because somebody else is gone. UsageError where data/ holds anything, or
    data.dvc points to other data.
    """
    _refuse_second(ws)
    kept = _without_erased(offered.table, suppressed)
    require_splits(offered, kept)
    with durable.storing(ws.data):
        versions.create(ws, params.remote.url)
        manifest = _written(ws, kept, offered.dataset, key)
    manifest = _committed(ws, manifest)
    index.build(ws)
    return Imported(
        data_version=manifest.data_version,
        examples=kept.num_rows,
        subjects=len(pc.unique(kept[SUBJECT])),
        classes=len(offered.dataset.classes),
        suppressed=offered.table.num_rows - kept.num_rows,
        counts=manifest.counts,
        notes=offered.notes,
    )


def require_splits(offered: Gathered, kept: pa.Table) -> None:
    """UsageError unless every split that is expected has an example among those that are kept."""
    splits = np.array(kept[SPLIT].to_pylist(), dtype=str)
    refuse_empty(splits, name=offered.dataset.name, expected=offered.expected)


def _refuse_second(ws: Workspace) -> None:
    """Refuse a workspace with data, whoever's they are."""
    if ws.manifest.exists():
        raise UsageError(
            f"data/: holds data version {versions.data_version(ws)} already, expected none: "
            "import into another workspace"
        )
    if ws.data.exists() and any(ws.data.iterdir()):
        raise UsageError(
            "data/: holds what is no data version, expected an empty place: move it elsewhere, or "
            "import into another workspace"
        )


def _without_erased(table: pa.Table, suppressed: Suppressed) -> pa.Table:
    pairs = zip(table[EXAMPLE].to_pylist(), table[IMAGE].to_pylist(), strict=True)
    erased = [suppressed(example, hashlib.sha256(image).hexdigest()) for example, image in pairs]
    return table.filter(pa.array([not gone for gone in erased], pa.bool_()))


def _written(ws: Workspace, table: pa.Table, dataset: Dataset, key: bytes) -> Manifest:
    """Write all files beside data/, then give the folder its name."""
    halfway = ws.root / _HALFWAY
    durable.remove_folder(halfway, within=ws.root)
    try:
        halfway.mkdir(mode=0o700)
        (halfway / ws.shards.name).mkdir(mode=0o700)
        shards: dict[str, Shard] = {}
        parts = spread(table, key=key, shards=dataset.shards)
        for name, rows in counted(parts.items(), len(parts), "writing", "shards"):
            content = shard_bytes(rows)
            durable.write(halfway / ws.shards.name / f"{name}.parquet", content)
            shards[name] = describe(content, rows)
        about = dataset_bytes(dataset)
        durable.write(halfway / ws.dataset.name, about)
        halfway.rename(ws.data)
    except BaseException:
        durable.remove_folder(halfway, within=ws.root)
        raise
    return Manifest(
        data_version="",
        dataset_sha256=hashlib.sha256(about).hexdigest(),
        columns=columns_text(dataset.attributes),
        shards=shards,
        counts=count([table], dataset.classes),
    )


def _committed(ws: Workspace, manifest: Manifest) -> Manifest:
    """Claim the remote, add and push; the manifest comes last and says that the import is whole."""
    pointer = ws.data_file.read_bytes() if ws.data_file.exists() else None
    try:
        _refuse_other_pointer(ws)
        owner.claim(ws, lambda: _keys(ws))
        manifest = replace(manifest, data_version=versions.commit(ws))
        save_manifest(ws, manifest)
    except BaseException:
        withdraw(ws)
        durable.remove_folder(ws.data, within=ws.root)
        if pointer is None:
            durable.remove_file(ws.data_file, within=ws.root)
        else:
            durable.write(ws.data_file, pointer, mode=durable.OPEN)
        raise
    return manifest


def _refuse_other_pointer(ws: Workspace) -> None:
    """A data.dvc that came with the folder says which data belong here: those and no others."""
    if not ws.data_file.exists():
        return
    pointed, made = versions.data_version(ws), version_of_files(ws)
    if pointed != made:
        raise UsageError(
            f"data.dvc: points to data version {pointed}, what was imported is {made}; expected "
            "the same: choose another folder with --workspace"
        )


def withdraw(ws: Workspace) -> None:
    """Take what lies in data/ out of DVC's cache and remote again, as far as they answer.

    For an import that did not come to its end; data/ itself stays. Out of a remote that this
    workspace did not come to claim nothing is taken, and the mark of one that it did goes last.
    """
    if not ws.data.is_dir() or not (ws.dvc / "config").exists():
        return
    with suppress(InfrastructureError):
        if _claimed(ws):
            remove_objects(ws, _keys(ws))
            owner.release(ws)
        else:
            remove_cached(ws, _keys(ws))


def _claimed(ws: Workspace) -> bool:
    try:
        return owner.owns(ws)
    except InfrastructureError:
        return False


def _keys(ws: Workspace) -> frozenset[str]:
    """Keys of the files in data/ and of the version that they are."""
    return frozenset({*keys_of_files(ws).values(), version_of_files(ws) + versions.DIRECTORY})
