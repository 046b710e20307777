"""Reading data/: every byte is checked against the manifest before any of it is used."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ledger import durable
from systems.data import versions
from systems.data.columns import EXAMPLE
from systems.data.sharding import Manifest, Shard, load_dataset, load_manifest, schema
from systems.settings.workspace import Workspace
from unlearning.counting import counted
from unlearning.errors import InfrastructureError, IntegrityError

PLAN = "plan.json"


@dataclass(frozen=True)
class Plan:
    """An erasure under way: shards as they will be (None: gone), and what they replace.

    replaced: DVC keys of the shards and of the data version that go.
    """

    old_version: str
    shards: Mapping[str, Shard | None]
    counts: Mapping[str, Mapping[str, int]]
    replaced: tuple[str, ...]


def shard_path(ws: Workspace, name: str) -> Path:
    """Where a shard lies in data/."""
    return ws.shards / f"{name}.parquet"


def verified_shards(ws: Workspace, only: Collection[str] | None = None) -> dict[str, bytes]:
    """Read every shard, or only some, by name and in that order; check all before returning any.

    A missing shard is brought back from the remote; InfrastructureError if that has none either.
    IntegrityError if a shard is not the one that was stored: nothing is changed or replaced.
    """
    return dict(checked_shards(ws, only))


def checked_shards(
    ws: Workspace, only: Collection[str] | None = None
) -> Iterator[tuple[str, bytes]]:
    """Give shards as `verified_shards` does, each when it is asked for: one is held at a time.

    Whoever uses a shard before the last one was given must bear that a later one is refused.
    """
    manifest, plan = load_manifest(ws), load_plan(ws)
    acceptable = _acceptable(manifest, plan)
    names = acceptable.keys() if only is None else acceptable.keys() & only
    expected = {shard_path(ws, name): acceptable[name] for name in names}
    _bring(ws, expected)
    _check(ws.dataset, frozenset({manifest.dataset_sha256}))
    for path in counted(sorted(expected), len(expected), "data", "shards"):
        if path.exists():
            yield path.stem, _check(path, expected[path])


def verify(ws: Workspace) -> None:
    """Check every shard; IntegrityError or InfrastructureError as in `verified_shards`."""
    for _ in checked_shards(ws):
        pass


def bring_missing(ws: Workspace) -> None:
    """Bring back from the remote what data/ should hold and does not; nothing else is touched."""
    acceptable = _acceptable(load_manifest(ws), load_plan(ws))
    _bring(ws, {shard_path(ws, name): digests for name, digests in acceptable.items()})


def read_table(
    ws: Workspace, columns: Sequence[str] | None = None, only: Collection[str] | None = None
) -> pa.Table:
    """Read these columns of all shards, or of some, checked, ordered by example id.

    The order does not depend on the shard key, so the same data trains the same model anywhere.
    """
    wanted = None if columns is None else list(dict.fromkeys([*columns, EXAMPLE]))
    tables = [parse(content, wanted) for _, content in checked_shards(ws, only)]
    if not tables and only is None:
        raise IntegrityError("data/shards: holds no example, expected at least one")
    if not tables:
        empty = schema(load_dataset(ws).attributes).empty_table()
        return empty if wanted is None else empty.select(wanted)
    return pa.concat_tables(tables).sort_by(EXAMPLE)


def parse(content: bytes, columns: Sequence[str] | None = None) -> pa.Table:
    """Decode one shard's columns; KeyError if it lacks one.

    Not by `pq.read_table`: that imports pandas, which takes longer than all shards do.
    """
    table = pq.ParquetFile(pa.BufferReader(content)).read(columns)
    return table if columns is None else table.select(list(columns))


def load_plan(ws: Workspace) -> Plan | None:
    """The erasure under way, if there is one."""
    try:
        tree = json.loads((ws.erasing / PLAN).read_bytes())
    except FileNotFoundError:
        return None
    shards = {name: shard and Shard(**shard) for name, shard in tree["shards"].items()}
    return Plan(**tree | {"shards": shards, "replaced": tuple(tree["replaced"])})


def save_plan(ws: Workspace, plan: Plan) -> None:
    """Make an erasure irrevocable: from here on it is carried to its end."""
    durable.write(ws.erasing / PLAN, json.dumps(asdict(plan)).encode())


def drop_plan(ws: Workspace) -> None:
    """Forget the erasure under way, finished or never begun, with what it had prepared."""
    if ws.erasing.exists():
        durable.remove_file(ws.erasing / PLAN, within=ws.root)
        durable.remove_folder(ws.erasing, within=ws.root)


def _acceptable(manifest: Manifest, plan: Plan | None) -> dict[str, frozenset[str | None]]:
    """Digests that each shard may have, None if it may be absent.

    While an erasure is under way these are the ones before and the ones after it.
    """
    coming = plan.shards if plan else {}
    return {
        name: frozenset({shard.sha256, *_digest(coming, name)})
        for name, shard in manifest.shards.items()
    }


def _digest(coming: Mapping[str, Shard | None], name: str) -> tuple[str | None, ...]:
    if name not in coming:
        return ()
    shard = coming[name]
    return (shard.sha256 if shard else None,)


def _bring(ws: Workspace, expected: Mapping[Path, frozenset[str | None]]) -> None:
    needed = [ws.dataset, *(path for path, digests in expected.items() if None not in digests)]
    if missing := [path for path in needed if not path.exists()]:
        _fetch(ws, missing)


def _fetch(ws: Workspace, missing: list[Path]) -> None:
    versions.fetch(ws, missing)
    for path in missing:
        if not path.exists():
            raise InfrastructureError(
                f"{path.relative_to(ws.root)}: missing here and in the remote, expected one copy: "
                "restore the remote, then try again"
            )


def _check(path: Path, digests: frozenset[str | None]) -> bytes:
    content = durable.read(path)
    got = hashlib.sha256(content).hexdigest()
    if got not in digests:
        expected = " or ".join(sorted(digest[:12] for digest in digests if digest))
        raise IntegrityError(
            f"{durable.short_name(path)}: has SHA-256 {got[:12]}, expected {expected}: it was "
            "altered; put it aside for inspection, and it is fetched again from the remote"
        )
    return content
