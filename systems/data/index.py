"""Which shards hold whose examples: keyed digests of subjects and of examples, to shard names.

artifacts/index.keyed lies beside the manifest: a MAC over all that follows, one line of JSON, then
the digests in ascending order and the shard of each. Both MAC and digests are keyed by
keys/shards.key, so that without the key the file tells nothing of a person, and an erased person's
entries go with the erasure. What is found is read in the shards themselves, which the manifest
vouches for; an index of another data version, or altered, is made again from all of them.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ledger import durable
from ledger.keys import shard_key
from systems.data.columns import EXAMPLE, SUBJECT
from systems.data.reading import checked_shards, parse, verified_shards
from systems.data.sharding import load_manifest
from systems.data.texts import look
from systems.settings.workspace import Workspace

FILE = "index.keyed"
INDEXED = (SUBJECT, EXAMPLE)
_MAC = 32  # bytes of HMAC-SHA256
_DIGEST, _PLACE = np.dtype("<u8"), np.dtype("<u2")
Entries = tuple[NDArray[np.uint64], NDArray[np.uint16]]


@dataclass(frozen=True, eq=False)
class Index:
    """The index of one data version.

    names: of the shards. digests: (n,) ascending; 64 bits each, since two that are equal cost no
    more than a look into another shard. places: (n,) the shard of each, as a number in `names`.
    """

    key: bytes
    data_version: str
    names: tuple[str, ...]
    digests: NDArray[np.uint64]
    places: NDArray[np.uint16]

    def shards(self, column: str, values: Iterable[str]) -> frozenset[str]:
        """Name the shards that hold any of these subjects or examples."""
        return frozenset(name for value in values for name in self._holding(column, value))

    def shards_alike(self, column: str, values: Iterable[str]) -> frozenset[str]:
        """Name the shards that hold any of these, or any that looks like one of them."""
        texts, looks = list(values), [look(value) for value in values]
        return self.shards(column, [*texts, *looks]) | self.shards(_looks(column), looks)

    def all_shards(self, column: str, values: Collection[str]) -> frozenset[str] | None:
        """Name the shards as `shards` does; None if one of the values is in none of them."""
        if not all(self._holding(column, value) for value in values):
            return None
        return self.shards(column, values)

    def _holding(self, column: str, value: str) -> list[str]:
        digest = _digests(self.key, column, [value])[0]
        first, last = (np.searchsorted(self.digests, digest, side) for side in ("left", "right"))
        return [self.names[place] for place in self.places[first:last]]


def index_path(ws: Workspace) -> Path:
    """Where the index lies."""
    return ws.artifacts / FILE


def load(ws: Workspace) -> Index:
    """Read the index of the present data version, or make it if there is none."""
    found = _read(ws)
    if found is None or found.data_version != load_manifest(ws).data_version:
        return build(ws)
    return found


def build(ws: Workspace) -> Index:
    """Make the index from all shards, each of which is checked."""
    tables = {name: parse(content, INDEXED) for name, content in checked_shards(ws)}
    return _write(ws, shard_key(ws.keys), tables, None)


def follow(ws: Workspace, rewritten: Collection[str], *, before: str) -> Index:
    """Bring the index up to the present data version by reading the rewritten shards alone.

    before: the data version that they were rewritten in; an index of any other is made anew.
    Repeated, it ends in the same bytes.
    """
    found, manifest = _read(ws), load_manifest(ws)
    if found is None or found.data_version not in (before, manifest.data_version):
        return build(ws)
    there = sorted(set(rewritten) & manifest.shards.keys())
    contents = verified_shards(ws, there) if there else {}
    tables = {name: parse(content, INDEXED) for name, content in contents.items()}
    return _write(ws, found.key, tables, _without(found, rewritten))


def _without(found: Index, names: Collection[str]) -> Index:
    gone = np.isin(found.places, [n for n, name in enumerate(found.names) if name in names])
    return Index(
        found.key, found.data_version, found.names, found.digests[~gone], found.places[~gone]
    )


def _write(ws: Workspace, key: bytes, tables: Mapping[str, pa.Table], kept: Index | None) -> Index:
    manifest = load_manifest(ws)
    names = tuple(sorted(manifest.shards))
    number = {name: place for place, name in enumerate(names)}
    parts = [_entries(key, table, number[name]) for name, table in tables.items()]
    if kept is not None:
        moved = np.array([number.get(name, 0) for name in kept.names], _PLACE)
        parts.append((kept.digests, moved[kept.places]))
    digests, places = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((places, digests))
    made = Index(key, manifest.data_version, names, digests[order], places[order])
    content = _encoded(made)
    durable.write(index_path(ws), hmac.digest(key, content, "sha256") + content)
    return made


def _entries(key: bytes, table: pa.Table, place: int) -> Entries:
    """Give the digests of a shard's subjects and examples, and of their looks if these differ."""
    found = []
    for column in INDEXED:
        values = table[column].unique().to_pylist()
        looks = {look(value) for value in values} - set(values)
        found += [_digests(key, column, values), _digests(key, _looks(column), looks)]
    digests = np.concatenate(found)
    return digests, np.full(len(digests), place, _PLACE)


def _looks(column: str) -> str:
    """The name under which a column's values are known by what they look like."""
    return f"{column} looks"


def _digests(key: bytes, column: str, values: Collection[str]) -> NDArray[np.uint64]:
    known = (hmac.digest(key, f"{column}\0{value}".encode(), "sha256")[:8] for value in values)
    return np.frombuffer(b"".join(known), _DIGEST)


def _encoded(index: Index) -> bytes:
    head = {"data_version": index.data_version, "names": index.names, "n": len(index.digests)}
    body = index.digests.astype(_DIGEST).tobytes() + index.places.astype(_PLACE).tobytes()
    line = json.dumps(head).encode()
    aligned = b" " * (-(len(line) + 1) % _DIGEST.itemsize)  # else a search would copy all digests
    return line + aligned + b"\n" + body


def _read(ws: Workspace) -> Index | None:
    """Read the index; None if there is none, or not one that was written under this key."""
    key, path = shard_key(ws.keys), index_path(ws)
    content = durable.read(path) if path.exists() else b""
    mac, rest = content[:_MAC], memoryview(content)[_MAC:]
    if not hmac.compare_digest(mac, hmac.digest(key, rest, "sha256")):
        return None
    start = content.index(b"\n", _MAC) + 1
    about = json.loads(content[_MAC:start])
    digests = np.frombuffer(content, _DIGEST, about["n"], start)
    places = np.frombuffer(content, _PLACE, about["n"], start + digests.nbytes)
    return Index(key, about["data_version"], tuple(about["names"]), digests, places)
