"""Decoded pictures on disk, for data that are too many for memory: a copy, and looked after as one.

artifacts/decoded/VERSION.pixels holds every picture of a data version, in the order of the example
ids: a MAC over all that follows, under keys/shards.key, a line of JSON, then rows of uint8. A file
of another version, or one that is not as it was written, is never read. An erasure removes it.
"""

from __future__ import annotations

import hmac
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ledger import durable
from ledger.keys import shard_key
from systems.copies import Copy, Status
from systems.data.columns import EXAMPLE, IMAGE
from systems.data.linked import WHY, has_other_names
from systems.data.reading import checked_shards, parse, read_table
from systems.data.sharding import Dataset, load_manifest
from systems.settings.workspace import Workspace
from unlearning.stored import Stored

LIMIT = "LETHE_DECODED_MIB"
"""Environment variable: how many MiB of decoded pictures may be in memory."""

SHARE = 4
"""Without it this part of the machine's memory: training needs the rest."""

HEAD = 4096
"""Bytes before the first picture, so that pictures begin on a page."""

_MAC = 32
_BLOCK = 16 * 2**20


def too_large(ws: Workspace, dataset: Dataset) -> bool:
    """Whether the decoded pictures of the data version are more than may be in memory."""
    return int(np.prod(_shape(ws, dataset))) > _allowed()


def _allowed() -> int:
    given = os.environ.get(LIMIT, "")
    if given.isdigit():
        return int(given) * 2**20
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // SHARE


def _shape(ws: Workspace, dataset: Dataset) -> tuple[int, int, int, int]:
    counts = load_manifest(ws).counts
    rows = sum(n for by_class in counts.values() for n in by_class.values())
    return rows, dataset.channels, dataset.size, dataset.size


def pictures(ws: Workspace, dataset: Dataset) -> Stored:
    """Give every picture of the data version, ordered by example id, from the file; made if needed.

    Every shard is checked before its pictures are put there; raises as `verified_shards`.
    """
    shape = _shape(ws, dataset)
    path = ws.decoded / f"{load_manifest(ws).data_version}.pixels"
    if not _as_written(path, shard_key(ws.keys), _about(path, shape)):
        _make(ws, path, dataset, shape)
    return Stored(path, shape, HEAD)


def copies(ws: Workspace) -> list[Copy]:
    """List the files of decoded pictures: each holds everybody of its data version."""
    return [_copy(path, Status.PRESENT) for path in sorted(ws.decoded.glob("*"))]


def present(ws: Workspace) -> list[Copy]:
    """List those of the present data version, which stay."""
    name = f"{load_manifest(ws).data_version}.pixels" if ws.decoded.is_dir() else ""
    return [_copy(path, Status.PRESENT) for path in ws.decoded.glob("*") if path.name == name]


def other_names(ws: Workspace) -> list[Copy]:
    """List those whose file has another name on the disk."""
    files = (path for path in sorted(ws.decoded.glob("*")) if has_other_names(path))
    return [_copy(path, Status.UNVERIFIED, WHY) for path in files]


def purge(ws: Workspace) -> list[Copy]:
    """Remove what was decoded of other data versions than the present one, and what is unfinished.

    A file with another name on the disk leaves its bytes there, so it counts as unverified.
    """
    kept = f"{load_manifest(ws).data_version}.pixels"
    gone = []
    for path in sorted(ws.decoded.glob("*")):
        if path.name != kept:
            unsure = WHY if has_other_names(path) else None
            durable.remove_file(path, within=ws.artifacts)
            gone.append(_copy(path, Status.UNVERIFIED if unsure else Status.REMOVED, unsure))
    return gone


def _copy(path: Path, status: Status, why: str | None = None) -> Copy:
    return Copy("workspace", f"decoded pictures {path.stem[:32]}", status, why)


def _about(path: Path, shape: tuple[int, ...]) -> bytes:
    return json.dumps({"data_version": path.stem, "shape": shape}).encode().ljust(HEAD - _MAC)


def _as_written(path: Path, key: bytes, about: bytes) -> bool:
    if not path.is_file():
        return False
    with durable.reading(path), path.open("rb") as file:
        mac = file.read(_MAC)
        return file.read(len(about)) == about and hmac.compare_digest(mac, _mac(file, key, about))


def _mac(file: BinaryIO, key: bytes, about: bytes) -> bytes:
    """Give the MAC over the head and all pictures, which follow in the file."""
    digest = hmac.new(key, about, "sha256")
    while block := file.read(_BLOCK):
        digest.update(block)
    return digest.digest()


def _make(ws: Workspace, path: Path, dataset: Dataset, shape: tuple[int, ...]) -> None:
    """Write the file beside its place, and put it there once it is whole."""
    durable.make_folder(ws.decoded)
    purge(ws)
    part = path.with_suffix(".unfinished")
    try:
        with durable.storing(part), part.open("w+b") as file:
            part.chmod(durable.PRIVATE)
            _fill(ws, file, dataset, shape)
            _seal(file, shard_key(ws.keys), _about(path, shape))
            part.replace(path)
            durable.sync(path.parent)
    except BaseException:
        durable.remove_file(part, within=ws.artifacts)
        raise


def _fill(ws: Workspace, file: BinaryIO, dataset: Dataset, shape: tuple[int, ...]) -> None:
    """Put each picture in its row, shard by shard."""
    row = {example: n for n, example in enumerate(read_table(ws, [])[EXAMPLE].to_pylist())}
    size = int(np.prod(shape[1:]))
    file.truncate(HEAD + shape[0] * size)
    for names, images in _decoded(ws, dataset):
        for name, image in zip(names, images, strict=True):
            os.pwrite(file.fileno(), image.tobytes(), HEAD + row[name] * size)


def _decoded(ws: Workspace, dataset: Dataset) -> Iterator[tuple[list[str], np.ndarray]]:
    from systems.data.images import decode  # Pillow: whoever only removes a file decodes none

    for _, content in checked_shards(ws):
        table = parse(content, [IMAGE, EXAMPLE])
        encoded = table[IMAGE].to_pylist()
        images = decode(encoded, size=dataset.size, channels=dataset.channels)
        yield table[EXAMPLE].to_pylist(), images


def _seal(file: BinaryIO, key: bytes, about: bytes) -> None:
    file.seek(HEAD)
    mac = _mac(file, key, about)
    file.seek(0)
    file.write(mac + about)
    file.flush()
    os.fsync(file.fileno())
