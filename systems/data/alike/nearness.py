"""How many bits two perceptual hashes differ by, of many pairs at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ledger.suppression import Likeness
from systems.data.alike.hashing import Hashes

BITS = 128
_AT_ONCE = 2**16  # pairs: so many stay in a processor's cache


def distances(one: Hashes, other: Hashes) -> NDArray[np.uint8]:
    """Give the bits by which each of (n, 2) differs from each of (m, 2), as (n, m)."""
    first, second = (np.bitwise_count(one[:, None, k] ^ other[None, :, k]) for k in range(2))
    return first + second  # type: ignore[no-any-return]


def nearest(one: Hashes, other: Hashes, place: int) -> NDArray[np.uint8]:
    """Give the bits to the nearest but `place` of the others, (n,): 0 for the nearest of all.

    To the farthest where there are not so many; all bits where there is none.
    """
    step = max(1, _AT_ONCE // max(1, len(other)))
    place, found = min(place, len(other) - 1), np.full(len(one), BITS, np.uint8)
    for start in range(0, len(one) if len(other) else 0, step):
        bits = distances(one[start : start + step], other)
        found[start : start + step] = np.partition(bits, place, axis=1)[:, place]
    return found


def alike(seen: Hashes, listed: Sequence[Likeness], most: int) -> list[tuple[int, int]]:
    """Give (number of the picture, number of a likeness) for each pair that looks alike.

    seen: (n, 2). most: bits by which any may differ; a likeness may allow less. All pairs are
    compared: 100,000 with 10,000 take seconds.
    """
    words = np.frombuffer(b"".join(one.upright + one.mirrored for one in listed), np.uint64)
    within = np.repeat([min(one.within, most) for one in listed], 2).astype(np.uint8)
    known = _Known(words[::2].copy(), words[1::2].copy(), within)  # upright, mirrored, upright...
    step = max(1, _AT_ONCE // max(1, len(within)))
    found: set[tuple[int, int]] = set()
    for start in range(0, len(seen) if listed else 0, step):
        found |= known.near(seen[start : start + step], start)
    return sorted(found)


@dataclass(frozen=True, eq=False)
class _Known:
    """All that is listed, by words of its hashes, (m,) each, and the bits that each allows."""

    first: NDArray[np.uint64]
    second: NDArray[np.uint64]
    within: NDArray[np.uint8]

    def near(self, seen: Hashes, start: int) -> set[tuple[int, int]]:
        """Compare a few with all: by the first word, and by both where that one is near enough."""
        bits = np.bitwise_count(seen[:, None, 0] ^ self.first)
        rows, columns = np.divmod(np.flatnonzero(bits <= self.within), len(self.within))
        both = bits[rows, columns] + np.bitwise_count(seen[rows, 1] ^ self.second[columns])
        near = both <= self.within[columns]
        return {
            (start + int(r), int(c) // 2) for r, c in zip(rows[near], columns[near], strict=True)
        }
