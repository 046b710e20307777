"""New examples come into the data version by writing their shards anew, as an erasure does.

A redo log: (1) The new shards are prepared beside data/, and the version that they will be is
worked out. (2) The plan is written. The caller's log then says that they came in: before that a
crash leaves the old data and rubbish to drop, after it every opening carries the plan to its end.
(3) The shards are swapped, the version is added, manifest and index written, the version pushed.
(4) The plan is dropped. Older shards stay in cache and remote, as DVC's history.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pyarrow as pa

from ledger import durable
from systems.data import index, versions
from systems.data.erasing import refuse_altered, swap
from systems.data.listings import md5, version_of
from systems.data.purging import current_files
from systems.data.reading import parse, shard_path, verified_shards
from systems.data.sharding import (
    Shard,
    count,
    describe,
    load_dataset,
    load_manifest,
    save_manifest,
    shard_bytes,
    spread,
)
from systems.settings.workspace import Workspace
from unlearning.counting import counted
from unlearning.errors import IntegrityError

PLAN = "plan.json"


@dataclass(frozen=True)
class Growth:
    """Examples on their way in. shards: as they will be. counts: of all examples then."""

    before: str
    after: str
    shards: Mapping[str, Shard]
    counts: Mapping[str, Mapping[str, int]]


def under_way(ws: Workspace) -> Growth | None:
    """Give the plan that is written and not carried out."""
    path = _folder(ws) / PLAN
    if not path.is_file():
        return None
    tree = json.loads(durable.read(path))
    return Growth(**tree | {"shards": {name: Shard(**s) for name, s in tree["shards"].items()}})


def prepare(ws: Workspace, table: pa.Table, key: bytes) -> Growth:
    """Write the shards that a table's rows belong to, beside data/, and the plan.

    key: the shard key. Every shard that is read is checked.
    """
    drop(ws)
    durable.make_folder(_folder(ws))
    dataset, manifest = load_dataset(ws), load_manifest(ws)
    added = spread(table, key=key, shards=dataset.shards)
    old = verified_shards(ws, added.keys() & manifest.shards.keys())
    files, shards = dict(current_files(ws)), {}
    for name, rows in counted(added.items(), len(added), "writing", "shards"):
        whole = pa.concat_tables([parse(old[name]), rows]) if name in old else rows
        content = shard_bytes(whole)
        durable.write(_prepared(ws, name), content)
        shards[name] = describe(content, whole)
        files[shard_path(ws, name).relative_to(ws.data).as_posix()] = md5(content)
    counts = _more(manifest.counts, count([table], dataset.classes))
    plan = Growth(manifest.data_version, version_of(files), shards, counts)
    durable.write(_folder(ws) / PLAN, json.dumps(asdict(plan)).encode())
    return plan


def carry(ws: Workspace) -> None:
    """Bring the plan to its end; repeated after a crash, it ends in the same state.

    IntegrityError, and nothing is taken in, if another file of data/ is not the version's.
    """
    plan = under_way(ws)
    if plan is None:
        return
    refuse_altered(ws, plan.before, plan.shards)
    for name in plan.shards:
        swap(_prepared(ws, name), shard_path(ws, name))
    if (made := versions.add(ws)) != plan.after:
        raise IntegrityError(
            f"import: data/ is data version {made[:12]}, expected {plan.after[:12]}: put aside "
            "what lies in data/ and is not Lethe's, then give the same command again"
        )
    manifest = load_manifest(ws)
    shards = {**manifest.shards, **plan.shards}
    save_manifest(ws, replace(manifest, data_version=plan.after, shards=shards, counts=plan.counts))
    index.follow(ws, plan.shards, before=plan.before)
    versions.push(ws)
    drop(ws)


def drop(ws: Workspace) -> None:
    """Forget what was prepared."""
    if _folder(ws).exists():
        durable.remove_file(_folder(ws) / PLAN, within=ws.root)
        durable.remove_folder(_folder(ws), within=ws.root)


def _more(
    before: Mapping[str, Mapping[str, int]], more: Mapping[str, Mapping[str, int]]
) -> dict[str, dict[str, int]]:
    splits = sorted(before.keys() | more.keys())
    both = {
        split: Counter(before.get(split, {})) + Counter(more.get(split, {})) for split in splits
    }
    return {split: dict(counts) for split, counts in both.items()}


def _folder(ws: Workspace) -> Path:
    return ws.artifacts / "growing"


def _prepared(ws: Workspace, name: str) -> Path:
    return _folder(ws) / f"{name}.parquet"
