"""Image tables spread over files by a keyed hash of the subject, and the manifest of those files.

One person's examples lie in one shard, so that forgetting somebody rewrites few files. Without
the key nobody can tell from a shard's name whom it holds.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ledger import durable
from systems.data.columns import EXAMPLE, IMAGE, LABEL, SPLIT, SUBJECT, attributes_of
from systems.settings.workspace import Workspace
from unlearning.errors import IntegrityError, UsageError

ROW_GROUP = 5_000
_WRITER = b"lethe"


@dataclass(frozen=True)
class Dataset:
    """What the data set is, without any id: the content of data/dataset.json.

    size: pixels a side after decoding. shards: how many files subjects are spread over.
    """

    name: str
    classes: tuple[str, ...]
    size: int
    channels: int
    shards: int
    attributes: tuple[str, ...]
    label_noise: float = 0.0


@dataclass(frozen=True)
class Shard:
    """Digest and number of rows of one shard file."""

    sha256: str
    rows: int


@dataclass(frozen=True)
class Manifest:
    """What data/ must contain; the reference for every check at extraction. It holds no ids.

    shards: by file name without suffix. counts: examples by split, then by class name.
    """

    data_version: str
    dataset_sha256: str
    columns: Mapping[str, str]
    shards: Mapping[str, Shard]
    counts: Mapping[str, Mapping[str, int]]


def schema(attributes: Sequence[str]) -> pa.Schema:
    """The columns of every shard, in their order."""
    fields = [
        (IMAGE, pa.binary()),
        (LABEL, pa.int16()),
        (EXAMPLE, pa.string()),
        (SUBJECT, pa.string()),
        (SPLIT, pa.string()),
    ]
    return pa.schema(fields + [(name, pa.string()) for name in attributes])


def shard_bytes(table: pa.Table) -> bytes:
    """Encode one shard; the same rows give the same bytes, in whatever order they come.

    What would differ between versions of pyarrow is left out or fixed: compression, which encoded
    images hardly need; statistics, and Arrow's own copy of the schema; the writer's name.
    """
    ordered = table.select(schema(attributes_of(table)).names).sort_by(EXAMPLE).combine_chunks()
    repeated = [name for name in ordered.column_names if name not in (IMAGE, EXAMPLE)]
    return _parquet(ordered, repeated=repeated)


def _parquet(table: pa.Table, *, repeated: list[str]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        version="2.6",
        data_page_version="1.0",
        compression="none",
        row_group_size=ROW_GROUP,
        use_dictionary=repeated,
        write_statistics=False,
        store_schema=False,
    )
    return _without_writer(bytes(sink.getvalue()))


def _without_writer(content: bytes) -> bytes:
    """Put one name in place of pyarrow's and its version.

    The footer is the last part of a file and nothing points behind that name, so only its own
    length changes. A footer in which the name, with its length before it, is not found once stays.
    """
    length = int.from_bytes(content[-8:-4], "little")
    data, footer = content[: -8 - length], content[-8 - length : -8]
    named = pq.ParquetFile(pa.BufferReader(content)).metadata.created_by.encode()
    old, new = (bytes([len(name)]) + name for name in (named, _WRITER))
    if footer.count(old) != 1:
        return content
    footer = footer.replace(old, new)
    return data + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def shard_of(subject: str, *, key: bytes, shards: int) -> int:
    """Give the number of a subject's shard: HMAC-SHA256(key, subject) mod `shards`."""
    return int.from_bytes(hmac.digest(key, subject.encode(), "sha256")) % shards


def spread(table: pa.Table, *, key: bytes, shards: int) -> dict[str, pa.Table]:
    """Divide a table by the shards of its subjects; empty shards are left out."""
    bucket = cache(partial(shard_of, key=key, shards=shards))
    buckets = np.array([bucket(subject) for subject in table[SUBJECT].to_pylist()])
    return {
        f"{number:02x}": table.take(np.flatnonzero(buckets == number))
        for number in np.unique(buckets)
    }


def describe(content: bytes, table: pa.Table) -> Shard:
    """Give digest and rows of an encoded shard."""
    return Shard(hashlib.sha256(content).hexdigest(), table.num_rows)


def count(tables: Iterable[pa.Table], classes: Sequence[str]) -> dict[str, dict[str, int]]:
    """Count examples by split and class name."""
    seen: Counter[tuple[str, int]] = Counter()
    for table in tables:
        seen.update(zip(table[SPLIT].to_pylist(), table[LABEL].to_pylist(), strict=True))
    counts: dict[str, dict[str, int]] = {}
    for (split, label), n in sorted(seen.items()):
        counts.setdefault(split, {})[classes[label]] = n
    return counts


def dataset_bytes(dataset: Dataset) -> bytes:
    """Encode data/dataset.json."""
    return (json.dumps(asdict(dataset), indent=1, ensure_ascii=False) + "\n").encode()


def load_dataset(ws: Workspace) -> Dataset:
    """Read what the data set is; UsageError without an import, IntegrityError if it was altered."""
    return read_dataset(ws.dataset)


def read_dataset(path: Path) -> Dataset:
    """Read what a folder of shards is, from its dataset.json; errors as `load_dataset`."""
    if not path.exists():
        raise UsageError("data/dataset.json: is not there: run `lethe init` in this workspace")
    content = durable.read(path)
    try:
        tree: dict[str, Any] = json.loads(content)
        lists = {name: tuple(tree[name]) for name in ("classes", "attributes")}
        return Dataset(**tree | lists)
    except (ValueError, TypeError, KeyError) as error:
        raise IntegrityError(
            "data/dataset.json: does not say what the data are, expected what `lethe init` wrote: "
            "put it aside for inspection, and it is fetched again from the remote"
        ) from error


def load_manifest(ws: Workspace) -> Manifest:
    """Read the manifest; IntegrityError if it is missing or no manifest."""
    try:
        tree: dict[str, Any] = json.loads(ws.manifest.read_bytes())
        shards = {name: Shard(**shard) for name, shard in tree["shards"].items()}
        return Manifest(**tree | {"shards": shards})
    except FileNotFoundError as error:
        raise IntegrityError(
            "artifacts/manifest.json: is not there, so no shard can be checked: restore it from "
            "your backup, or import the data into a new workspace"
        ) from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise IntegrityError(
            "artifacts/manifest.json: is no manifest of shards: restore it from your backup"
        ) from error


def save_manifest(ws: Workspace, manifest: Manifest) -> None:
    """Replace the manifest at once."""
    durable.make_folder(ws.artifacts)
    text = json.dumps(asdict(manifest), indent=1, sort_keys=True, ensure_ascii=False)
    durable.write(ws.manifest, text.encode() + b"\n")


def columns_text(attributes: Sequence[str]) -> dict[str, str]:
    """The shards' columns and types, as the manifest states them."""
    return {field.name: str(field.type) for field in schema(attributes)}
