"""Perceptual hashes of pictures: 128 bits, near where two pictures look alike.

64 bits are signs of the coarse frequencies (pHash), 64 of the differences between neighbours
(dHash): of the two the first bears crops and light, the second tells drawings apart. A picture that
is nearly of one grey has neither, since noise alone would decide.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from systems.data.images import BUDGET, FORMATS, UNDECODABLE, decoding_pool, upright
from unlearning.errors import IntegrityError

PLAIN = 16
"""Levels of grey, of 256, that a picture must spread over to have a hash."""

Hashes = NDArray[np.uint64]
"""(n, 2): the two words of each."""

_NONE = (np.uint64(0), np.uint64(0))
_CHUNK = 50


def hashes(images: Sequence[bytes]) -> tuple[Hashes, NDArray[np.bool_]]:
    """Hash encoded pictures: (n, 2), and which have a hash, (n,); IntegrityError if one is none."""
    found = _each(images, mirror=False)
    return found, np.any(found != 0, axis=1)


def mirrored(images: Sequence[bytes]) -> Hashes:
    """Hash encoded pictures as mirrors show them, (n, 2)."""
    return _each(images, mirror=True)


def _each(images: Sequence[bytes], *, mirror: bool) -> Hashes:
    def part(start: int) -> list[tuple[np.uint64, np.uint64]]:
        return [_hash(image, mirror=mirror) for image in images[start : start + _CHUNK]]

    try:
        with decoding_pool() as pool:
            parts = list(pool.map(part, range(0, len(images), _CHUNK)))
    except UNDECODABLE as error:
        raise IntegrityError(
            "an image cannot be decoded, though it could when it was looked at: was the file "
            "changed meanwhile? Give the same command again"
        ) from error
    return np.array([one for found in parts for one in found], np.uint64).reshape(-1, 2)


def _hash(content: bytes, *, mirror: bool) -> tuple[np.uint64, np.uint64]:
    import imagehash  # brings scipy and wavelets, which take longer than most commands

    with Image.open(io.BytesIO(content), formats=FORMATS) as image, BUDGET.of(image.size):
        grey = upright(image, "L")
    low, high = grey.getextrema()
    if high - low < PLAIN:  # type: ignore[operator]  # one channel has one pair
        return _NONE
    seen = ImageOps.mirror(grey) if mirror else grey
    return _word(imagehash.phash(seen)), _word(imagehash.dhash(seen))


def _word(found: object) -> np.uint64:
    bits: NDArray[np.bool_] = found.hash.ravel()  # type: ignore[attr-defined]
    return np.packbits(bits).view(np.uint64)[0]  # type: ignore[no-any-return]
