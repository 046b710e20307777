"""Erasure: take examples out of the data version by rewriting the shards that hold them.

An erasure is a redo log. (1) The new shards are prepared beside data/. (2) The plan is written:
before it, a crash leaves the old data and rubbish to sweep; after it, every later call carries the
plan to its end. (3) What the plan replaces is noted as owed, until a purge has seen it gone.
(4) The shards are swapped, the version is added, the manifest written, the version pushed.
(5) The plan is dropped.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from ledger import durable
from systems.data import versions
from systems.data.columns import EXAMPLE, LABEL, SPLIT
from systems.data.purging import md5, older_copies, owe, owed
from systems.data.reading import (
    Plan,
    drop_plan,
    load_plan,
    parse,
    save_plan,
    shard_path,
    verified_shards,
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
from unlearning.errors import RequestDenied


@dataclass(frozen=True)
class Erasure:
    """Two data versions, and the DVC keys of all that the later one replaces."""

    old_version: str
    new_version: str
    replaced: tuple[str, ...]


def erase(ws: Workspace, ids: Collection[str]) -> Erasure:
    """Take examples out of the data version; purging `replaced` then removes the older copies.

    Repeated, also after a crash at any point, it ends in the same state and returns the same keys
    until they are purged. Ids that are not there are no error. RequestDenied if nothing would be
    left.
    """
    wanted = frozenset(ids)
    resume(ws)
    if plan := _plan(ws, wanted):
        save_plan(ws, plan)
        resume(ws)
    version = versions.data_version(ws)
    owe(ws, version, older_copies(ws, wanted))
    old_version, keys = owed(ws)
    return Erasure(old_version or version, version, tuple(sorted(keys)))


def resume(ws: Workspace) -> None:
    """Carry an erasure that was cut off to its end, or sweep one that had not begun."""
    plan = load_plan(ws)
    if plan:
        owe(ws, plan.old_version, plan.replaced)
        for name, shard in plan.shards.items():
            _swap(ws, name, shard)
        _record(ws, plan)
        versions.push(ws)
    drop_plan(ws)


def _plan(ws: Workspace, wanted: frozenset[str]) -> Plan | None:
    """Prepare the rewritten shards beside data/; None if no shard has any of the examples."""
    contents = verified_shards(ws)
    tables = {name: parse(content, [EXAMPLE, LABEL, SPLIT]) for name, content in contents.items()}
    rest = {name: _without(table, wanted) for name, table in tables.items()}
    affected = [name for name, table in tables.items() if len(rest[name]) < len(table)]
    if not affected:
        return None
    if not any(len(table) for table in rest.values()):
        raise RequestDenied("erase: every example would go, expected some to stay: retire the data")
    version = versions.data_version(ws)
    return Plan(
        old_version=version,
        shards={
            name: _prepare(ws, name, _without(parse(contents[name]), wanted)) for name in affected
        },
        counts=count(rest.values(), load_dataset(ws).classes),
        replaced=(*(md5(contents[name]) for name in affected), version + versions.DIRECTORY),
    )


def _without(table: pa.Table, wanted: frozenset[str]) -> pa.Table:
    gone = pc.is_in(table[EXAMPLE], pa.array(sorted(wanted), pa.string()))
    return table.filter(pc.invert(gone))


def _prepare(ws: Workspace, name: str, rest: pa.Table) -> Shard | None:
    durable.make_folder(ws.erasing)
    if not len(rest):
        return None
    content = shard_bytes(rest)
    durable.write(ws.erasing / f"{name}.parquet", content)
    return describe(content, rest)


def _swap(ws: Workspace, name: str, shard: Shard | None) -> None:
    """Put a new file in the old one's place; the old one, which DVC may share, stays untouched."""
    prepared, place = ws.erasing / f"{name}.parquet", shard_path(ws, name)
    if shard is None:
        durable.remove(place)
    elif prepared.exists():
        with durable.storing(place):
            prepared.replace(place)
            durable.sync(place.parent)


def _record(ws: Workspace, plan: Plan) -> None:
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
