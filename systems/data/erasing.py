"""Erasure: take examples out of the data version by rewriting the shards that hold them.

Only these are read: the index names them, and the version's listing tells the others' keys.

An erasure is a redo log. (1) The new shards are prepared beside data/. (2) The plan is written:
before it, a crash leaves the old data and rubbish to sweep; after it, every later call carries the
plan to its end. (3) What the plan replaces is noted as owed, until a purge has seen it gone.
(4) The shards are swapped, the version is added, manifest and index written, the version pushed.
(5) The plan is dropped.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ledger import durable
from systems.data import index, versions
from systems.data.columns import EXAMPLE
from systems.data.listings import listing_of, md5
from systems.data.owing import owe, owed
from systems.data.purging import older_copies
from systems.data.reading import (
    Plan,
    bring_missing,
    drop_plan,
    load_plan,
    parse,
    save_plan,
    shard_path,
    verified_shards,
    verify,
)
from systems.data.sharding import (
    Shard,
    count,
    describe,
    load_dataset,
    load_manifest,
    save_manifest,
    shard_bytes,
)
from systems.settings.workspace import Workspace
from unlearning.errors import IntegrityError, RequestDenied

Counts = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Erasure:
    """Two data versions, and the DVC keys of all that the later one replaces.

    shards: names of those that were rewritten; None if that is not known any more.
    """

    old_version: str
    new_version: str
    replaced: tuple[str, ...]
    shards: tuple[str, ...] | None


def erase(ws: Workspace, ids: Collection[str]) -> Erasure:
    """Take examples out of the data version; purging `replaced` then removes the older copies.

    Repeated, also after a crash at any point, it ends in the same state and returns the same keys
    until they are purged. Ids that are not there are no error. RequestDenied if nothing would be
    left.
    """
    wanted = frozenset(ids)
    resume(ws)
    held_by = index.load(ws).all_shards(EXAMPLE, wanted)
    if plan := _plan(ws, wanted):
        save_plan(ws, plan)
        resume(ws)
    version = versions.data_version(ws)
    if older := older_copies(ws, wanted, held_by):
        owe(ws, version, older, held_by)
    left = owed(ws)
    shards = None if left.shards is None else tuple(sorted(left.shards))
    return Erasure(left.old_version or version, version, tuple(sorted(left.keys)), shards)


def resume(ws: Workspace) -> None:
    """Carry an erasure that was cut off to its end, or sweep one that had not begun."""
    plan = load_plan(ws)
    if plan:
        owe(ws, plan.old_version, plan.replaced, plan.shards.keys())
        for name, shard in plan.shards.items():
            _swap(ws, name, shard)
        _record(ws, plan)
        index.follow(ws, plan.shards, before=plan.old_version)
        versions.push(ws)
    drop_plan(ws)


def _plan(ws: Workspace, wanted: frozenset[str]) -> Plan | None:
    """Prepare the rewritten shards beside data/; None if no shard has any of the examples."""
    contents = verified_shards(ws, index.load(ws).shards(EXAMPLE, wanted))
    tables = {name: parse(content) for name, content in contents.items()}
    rest = {name: _picked(table, wanted, stays=True) for name, table in tables.items()}
    gone = {name: _picked(table, wanted, stays=False) for name, table in tables.items()}
    affected = [name for name, table in gone.items() if len(table)]
    if not affected:
        return None
    refuse_altered(ws, versions.data_version(ws), affected)
    counts = _less(load_manifest(ws).counts, count(gone.values(), load_dataset(ws).classes))
    if not counts:
        raise RequestDenied("erase: every example would go, expected some to stay: retire the data")
    version = versions.data_version(ws)
    return Plan(
        old_version=version,
        shards={name: _prepare(ws, name, rest[name]) for name in affected},
        counts=counts,
        replaced=(*(md5(contents[name]) for name in affected), version + versions.DIRECTORY),
    )


def _picked(table: pa.Table, wanted: frozenset[str], *, stays: bool) -> pa.Table:
    gone = pc.is_in(table[EXAMPLE], pa.array(sorted(wanted), pa.string()))
    return table.filter(pc.invert(gone) if stays else gone)


def _less(before: Counts, gone: Counts) -> dict[str, dict[str, int]]:
    """Subtract counts by split and class; what comes to nothing is left out, as in `count`."""
    left = {
        split: {name: n - gone.get(split, {}).get(name, 0) for name, n in by_class.items()}
        for split, by_class in before.items()
    }
    kept = {split: {name: n for name, n in counts.items() if n} for split, counts in left.items()}
    return {split: counts for split, counts in kept.items() if counts}


def _prepare(ws: Workspace, name: str, rest: pa.Table) -> Shard | None:
    durable.make_folder(ws.erasing)
    if not len(rest):
        return None
    content = shard_bytes(rest)
    durable.write(ws.erasing / f"{name}.parquet", content)
    return describe(content, rest)


def _swap(ws: Workspace, name: str, shard: Shard | None) -> None:
    """Put a new file in the old one's place; the old one, which DVC may share, stays untouched."""
    place = shard_path(ws, name)
    if shard is None:
        durable.remove_file(place, within=ws.data)
    else:
        swap(ws.erasing / f"{name}.parquet", place)


def swap(prepared: Path, place: Path) -> None:
    """Put a prepared file in its place, unless a call before this did."""
    if prepared.exists():
        with durable.storing(place):
            prepared.replace(place)
            durable.sync(place.parent)


def _record(ws: Workspace, plan: Plan) -> None:
    refuse_altered(ws, plan.old_version, plan.shards)
    version, manifest = versions.add(ws), load_manifest(ws)
    shards = {**manifest.shards, **plan.shards}
    save_manifest(
        ws,
        replace(
            manifest,
            data_version=version,
            shards={name: shard for name, shard in shards.items() if shard},
            counts=plan.counts,
        ),
    )


def refuse_altered(ws: Workspace, version: str, rewritten: Collection[str]) -> None:
    """Raise IntegrityError if another file of data/ is not the one that the version lists.

    An erasure does not read the others, and DVC would take a damaged one into the new version. A
    missing one is brought back first.
    """
    bring_missing(ws)
    listed = listing_of(ws, version)
    if not listed:  # neither cache nor remote has it: read them after all
        verify(ws)
        return
    paths = {name: ws.data / name for name in listed if (ws.data / name).stem not in rewritten}
    seen = versions.keys_seen(ws, list(paths.values()))
    for name, path in paths.items():
        if (seen[path] or md5(durable.read(path))) != listed[name]:
            raise IntegrityError(
                f"data/{name}: is not the file of data version {version[:12]}, expected it "
                "unchanged: put it aside for inspection, and it is fetched again from the remote"
            )
