"""Looks for a person in every form that bytes can have: a name, the pixels and the likeness of his
pictures.

A file is looked at as it is, and opened as whatever it is: a database (its pages, and beside that
every cell, since a long one may be spread over pages), Parquet, a picture, arrays, tensors, an
archive, something compressed, base64 in a page.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import io
import re
import sqlite3
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, UnidentifiedImageError
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors

from systems.data.alike.hashing import hashes, mirrored

SUBJECT, PIXELS = "subject", "pixels"
_EMBEDDED = re.compile(rb"base64,([A-Za-z0-9+/=]{64,})")
_DEPTH = 3  # an archive in an archive in an archive


@dataclass(frozen=True)
class Canary:
    """A text that stands nowhere else, and a pattern that is in no other picture: (h, w) uint8."""

    subject: str
    pattern: np.ndarray

    @staticmethod
    def of(subject: str, images: list[bytes]) -> Canary:
        """A person who is there: his most various picture tells him from others."""
        seen = [np.asarray(Image.open(io.BytesIO(image)).convert("L")) for image in images]
        return Canary(subject, max(seen, key=lambda pattern: np.unique(pattern).size))

    def image(self) -> bytes:
        """A picture of the pattern."""
        file = io.BytesIO()
        Image.fromarray(self.pattern).save(file, "PNG")
        return file.getvalue()

    @property
    def texts(self) -> tuple[bytes, ...]:
        """The text as it may be written."""
        plain = self.subject.encode()
        return plain, self.subject.encode("utf-16-le"), base64.b64encode(plain).rstrip(b"=")[:-1]

    @property
    def looks(self) -> tuple[bytes, ...]:
        """The picture as it may lie: encoded, plain, and as numbers between 0 and 1."""
        scaled = (self.pattern.astype(kind) / kind(255) for kind in (np.float32, np.float64))
        plain = (self.image(), self.pattern.tobytes(), *(array.tobytes() for array in scaled))
        return plain + _likeness(self.image())


@cache
def _likeness(image: bytes) -> tuple[bytes, ...]:
    """Give a picture's perceptual hashes, upright and mirrored, as bytes and in hexadecimal.

    A word of either is 64 bits, which no other file has by chance.
    """
    words = [*hashes([image])[0].ravel(), *mirrored([image]).ravel()]
    return tuple(form for word in words for form in (word.tobytes(), word.tobytes().hex().encode()))


def found_below(folder: Path, canary: Canary) -> set[tuple[str, str]]:
    """Give (file, what) for every file that holds the text or the pattern, or is named by it."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        (path.relative_to(folder).as_posix(), what)
        for path in files
        for what in found_in(path.read_bytes() + path.name.encode(), canary)
    }


def found_in(content: bytes, canary: Canary) -> set[str]:
    """Say which of the two are in some bytes."""
    kinds = {SUBJECT: canary.texts, PIXELS: canary.looks}
    return {
        what
        for form in _forms(content, _DEPTH)
        for what, wanted in kinds.items()
        if any(piece in form for piece in wanted)
    }


def _forms(content: bytes, depth: int) -> Iterator[bytes]:
    """Give bytes as they are, and in every form that they can be opened to."""
    yield content
    if not depth:
        return
    for opened in (_database, _table, _picture, _array, _tensors, _members, _inflated, _embedded):
        with suppress(*_NOT_THIS):
            for inner in opened(content):
                yield from _forms(inner, depth - 1)


_NOT_THIS: tuple[type[Exception], ...] = (
    *(ValueError, OSError, KeyError, sqlite3.Error, zipfile.BadZipFile, EOFError),
    *(UnidentifiedImageError, pa.ArrowException, zlib.error, binascii.Error, SafetensorError),
)


def _database(content: bytes) -> Iterator[bytes]:
    if not content.startswith(b"SQLite format 3\0"):
        return
    with closing(sqlite3.connect(":memory:")) as database:
        database.deserialize(content)
        database.text_factory = bytes
        tables = "SELECT name FROM sqlite_master WHERE type = 'table'"
        for (name,) in database.execute(tables).fetchall():
            for row in database.execute(f'SELECT * FROM "{name.decode()}"'):
                yield b"\0".join(cell for cell in row if isinstance(cell, bytes))


def _table(content: bytes) -> Iterator[bytes]:
    if not content.startswith(b"PAR1"):
        return
    for column in pq.read_table(pa.BufferReader(content.rpartition(b"PAR1")[0] + b"PAR1")).columns:
        for value in column.to_pylist():
            if isinstance(value, bytes | str):
                yield value if isinstance(value, bytes) else value.encode()


def _picture(content: bytes) -> Iterator[bytes]:
    if content[:4] not in (b"\x89PNG", b"\xff\xd8\xff\xe0", b"RIFF") and content[:2] != b"BM":
        return
    with Image.open(io.BytesIO(content)) as image:
        yield np.asarray(image.convert("L")).tobytes()


def _array(content: bytes) -> Iterator[bytes]:
    if content.startswith(b"\x93NUMPY"):
        yield np.load(io.BytesIO(content), allow_pickle=False).tobytes()


def _tensors(content: bytes) -> Iterator[bytes]:
    if content[8:9] == b"{":
        yield from (_as_bytes(tensor) for tensor in load_tensors(content).values())


def _as_bytes(array: Any) -> bytes:
    return np.ascontiguousarray(array).tobytes()


def _members(content: bytes) -> Iterator[bytes]:
    if content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                yield archive.read(name) + name.encode()


def _inflated(content: bytes) -> Iterator[bytes]:
    if content.startswith(b"\x1f\x8b"):
        yield gzip.decompress(content)


def _embedded(content: bytes) -> Iterator[bytes]:
    for match in _EMBEDDED.finditer(content):
        yield base64.b64decode(match[1])


def a_canary(seed: int = 0) -> Canary:
    """A person who is nobody: 8 x 8 pixels that no picture has."""
    rng = np.random.default_rng([seed, 20240229])
    return Canary(
        "canary-" + "".join(rng.choice(list("bcdfghjkmnpqrtvwxz"), 24)),
        rng.integers(1, 255, size=(8, 8), dtype=np.uint8),
    )
