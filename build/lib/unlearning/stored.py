"""Pictures that stay on disk: rows of a file, or some of them, read as they are asked for.

They stand in `Examples.images` in place of an array and answer like one: shape, length, and rows by
index, slice or mask, which come as an array. What chooses rows keeps their numbers alone.
"""

from __future__ import annotations

import itertools
import os
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unlearning.digests import digest_of, digest_of_arrays

if TYPE_CHECKING:
    from unlearning.domain import BoolArray, ByteArray, IntArray

SMALL = 64 * 2**20
"""Bytes up to which chosen rows are read at once and kept in memory."""

BLOCK = 1000
"""Rows that are read at once where all of them are wanted in turn."""


class Lazy(ABC):
    """Rows of uint8 pictures, (n, channels, height, width), that are not in memory."""

    shape: tuple[int, ...]
    dtype = np.dtype(np.uint8)

    @abstractmethod
    def rows(self, where: IntArray) -> ByteArray:
        """Read these rows, in this order."""

    @property
    @abstractmethod
    def digest(self) -> str:
        """A digest that tells these rows from any others."""

    def __len__(self) -> int:
        """Count the rows."""
        return int(self.shape[0])

    def __getitem__(self, key: Any) -> ByteArray:
        """Read rows by slice, index array or mask; of a single number, that picture."""
        if isinstance(key, slice):
            return self.rows(np.arange(*key.indices(len(self))))
        where = np.asarray(key)
        if where.ndim == 0:
            picture: ByteArray = self.rows(where.reshape(1))[0]
            return picture
        return self.rows(_numbers(where))

    def __iter__(self) -> Iterator[ByteArray]:
        """Give one picture after the other, of which a block is in memory."""
        for start in range(0, len(self), BLOCK):
            yield from self[start : start + BLOCK]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> ByteArray:
        """Read all rows: only for who knows that they fit."""
        found = self.rows(np.arange(len(self)))
        return found if dtype is None else found.astype(dtype)

    def chosen(self, where: IntArray | BoolArray) -> Lazy | ByteArray:
        """Give some of the rows: few of them in memory, many as numbers."""
        index = _numbers(where)
        if len(index) * int(np.prod(self.shape[1:])) <= SMALL:
            return self.rows(index)
        return Chosen(self, index)


def _numbers(where: IntArray | BoolArray) -> IntArray:
    """Give the numbers of rows that are given by mask or by number."""
    found: IntArray = np.flatnonzero(where) if where.dtype == bool else where  # type: ignore[assignment]
    return found


class Stored(Lazy):
    """All rows of a file, from `offset` bytes on.

    They are read, not mapped: what is mapped counts as memory of this process, 64 KiB about every
    row that is touched, until the system wants it back.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], offset: int) -> None:
        """Name the file; it is opened when the first row is read, in whatever process."""
        self.path, self.shape, self.offset = path, shape, offset
        self._opened: int | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Travel to another process of this machine as a name."""
        return {**self.__dict__, "_opened": None}

    @property
    def digest(self) -> str:
        """Of the name: the file is named by the data version."""
        return digest_of([self.path.name, list(self.shape)])

    def rows(self, where: IntArray) -> ByteArray:
        """Read these rows; neighbours in one go. EOFError for a file that is too short."""
        found = np.empty((len(where), *self.shape[1:]), np.uint8)
        for first, last in _runs(where):
            self._fill(found[first:last], int(where[first]) % max(1, len(self)))
        return found

    def _fill(self, place: ByteArray, row: int) -> None:
        if self._opened is None:
            self._opened = os.open(self.path, os.O_RDONLY)
            weakref.finalize(self, os.close, self._opened)
        at = self.offset + row * (place.nbytes // len(place))
        if os.preadv(self._opened, [place.data.cast("B")], at) != place.nbytes:
            raise EOFError(f"{self.path.name}: ends before row {row + len(place)}")


def _runs(where: IntArray) -> Iterator[tuple[int, int]]:
    """Give the places (first, last + 1) of numbers that follow one another."""
    cuts = np.flatnonzero(np.diff(where) != 1) + 1
    ends = [0, *cuts.tolist(), len(where)] if len(where) else []
    yield from itertools.pairwise(ends)


class Chosen(Lazy):
    """Some rows of others, by their numbers."""

    def __init__(self, of: Lazy, where: IntArray) -> None:
        """Choose rows of `of`; of what is chosen already, of what that is chosen from."""
        self.of: Lazy = of.of if isinstance(of, Chosen) else of
        self.where: IntArray = of.where[where] if isinstance(of, Chosen) else where
        self.shape = (len(where), *of.shape[1:])

    @property
    def digest(self) -> str:
        """Of the others and of the numbers."""
        return digest_of([self.of.digest, digest_of_arrays(self.where)])

    def rows(self, where: IntArray) -> ByteArray:
        """Read these rows of the others."""
        return self.of.rows(self.where[where])


class Beside(Lazy):
    """Rows of several sets, one set after the other; some may be in memory."""

    def __init__(self, parts: Sequence[Lazy | ByteArray]) -> None:
        """Lay sets of the same kind of picture beside one another."""
        self.parts = tuple(parts)
        self.shape = (sum(map(len, parts)), *parts[0].shape[1:])

    @property
    def digest(self) -> str:
        """Of all parts in order."""
        digests = [p.digest if isinstance(p, Lazy) else digest_of_arrays(p) for p in self.parts]
        return digest_of(digests)

    def rows(self, where: IntArray) -> ByteArray:
        """Read each row from the set that it lies in."""
        found = np.empty((len(where), *self.shape[1:]), np.uint8)
        start = 0
        for part in self.parts:
            here = (where >= start) & (where < start + len(part))
            found[here] = part[where[here] - start]
            start += len(part)
        return found


def picked(images: ByteArray | Lazy, where: IntArray | BoolArray) -> ByteArray | Lazy:
    """Give rows by index or mask."""
    return images.chosen(where) if isinstance(images, Lazy) else images[where]


def one_after_another(parts: Sequence[ByteArray | Lazy]) -> ByteArray | Lazy:
    """Give the rows of several sets as one, in memory if all of them are."""
    arrays = [part for part in parts if not isinstance(part, Lazy)]
    return np.concatenate(arrays) if len(arrays) == len(parts) else Beside(parts)


def digest_of_pictures(images: ByteArray | Lazy) -> str:
    """Digest pictures by their pixels, or those on disk by the rows of a file that is named."""
    return images.digest if isinstance(images, Lazy) else digest_of_arrays(images)
