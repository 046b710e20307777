"""Encoded images in, arrays out; what cannot be decoded is named by its row."""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from PIL import Image

from unlearning.domain import ByteArray
from unlearning.errors import IntegrityError, UsageError

# Only plain raster formats: others (EPS above all) run programs or read other files.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
_GREY = frozenset({"1", "L", "LA"})
_COLOUR = frozenset({"P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"})
_UNDECODABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
_CHUNK = 500


@dataclass(frozen=True)
class Shape:
    """What a set of images has in common: 1 or 3 channels, and its most frequent longer side."""

    channels: int
    size: int


def inspect(images: Sequence[bytes], rows: Sequence[int], *, name: str) -> Shape:
    """Decode every image once; UsageError names the first row that cannot be decoded."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            looked = list(pool.map(_look, images, chunksize=_CHUNK))
    for row, seen in zip(rows, looked, strict=True):
        if isinstance(seen, str):
            raise UsageError(
                f"{name}: row {row}: image cannot be decoded ({seen}), expected "
                f"{', '.join(FORMATS)} with 8 bits a channel: correct or remove the row"
            )
    found = [seen for seen in looked if not isinstance(seen, str)]
    sizes = Counter(size for _, size in found)
    return Shape(
        channels=1 if all(mode in _GREY for mode, _ in found) else 3,
        size=max(sizes, key=lambda size: (sizes[size], size)),
    )


def decode(images: Sequence[bytes], *, size: int, channels: int) -> ByteArray:
    """Decode images to (n, channels, size, size) uint8; others are scaled bilinearly to `size`."""
    decoded = np.empty((len(images), size, size, channels), np.uint8)

    def fill(start: int) -> None:
        for i in range(start, min(start + _CHUNK, len(images))):
            decoded[i] = _pixels(images[i], size, channels)

    try:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(fill, range(0, len(images), _CHUNK)))
    except _UNDECODABLE as error:
        raise IntegrityError(
            f"data/shards: an image cannot be decoded ({_reason(error)}), though it could when it "
            "was taken in: restore the data version from the remote"
        ) from error
    return np.ascontiguousarray(decoded.transpose(0, 3, 1, 2))


def _look(content: bytes) -> tuple[str, int] | str:
    """Give (mode, longer side), or why the image cannot be decoded."""
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            image.verify()  # checksums; leaves the image unusable
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            image.load()
            mode, size = image.mode, max(image.size)
    except _UNDECODABLE as error:
        return _reason(error)
    return (mode, size) if mode in _GREY | _COLOUR else f"its mode is {mode}"


def _reason(error: BaseException) -> str:
    """Pillow's message without the address of the buffer that it read."""
    text = " ".join(str(error).split(" <_io")[0].split())
    return text or type(error).__name__


def _pixels(content: bytes, size: int, channels: int) -> ByteArray:
    with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
        image: Image.Image = opened
        mode = "L" if channels == 1 else "RGB"
        if image.mode != mode:
            image = image.convert(mode)
        if image.size != (size, size):
            image = image.resize((size, size), Image.Resampling.BILINEAR)
        return np.asarray(image, np.uint8).reshape(size, size, channels)
