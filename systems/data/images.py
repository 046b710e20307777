"""Encoded images in, arrays out; what cannot be decoded is named by its row.

A picture is shown as its viewer shows it: turned as its EXIF says, transparent pixels on white.
"""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Condition

import numpy as np
from PIL import Image

from unlearning.counting import counted
from unlearning.domain import ByteArray
from unlearning.errors import IntegrityError

# Only plain raster formats: others (EPS above all) run programs or read other files.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
UNDECODABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
_CHUNK = 50
_THREADS = min(8, os.cpu_count() or 1)
_TAG = 0x0112  # EXIF's tag
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class _Budget:
    """Lets so many pixels be decoded at once, however many threads there are."""

    def __init__(self, pixels: int) -> None:
        self._all = self._free = pixels
        self._changed = Condition()

    @contextmanager
    def of(self, size: tuple[int, int]) -> Iterator[None]:
        pixels = min(size[0] * size[1], self._all)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= pixels)
            self._free -= pixels
        try:
            yield
        finally:
            with self._changed:
                self._free += pixels
                self._changed.notify_all()


BUDGET = _Budget(40_000_000)  # at up to 12 bytes a pixel on the way: half a gigabyte


@contextmanager
def decoding_pool() -> Iterator[ThreadPoolExecutor]:
    """Give threads to decode in; a bomb is an error there, EXIF that is none no matter at all."""
    with warnings.catch_warnings(), ThreadPoolExecutor(_THREADS) as pool:
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        warnings.simplefilter("ignore", UserWarning)
        yield pool


def decode(images: Sequence[bytes], *, size: int, channels: int) -> ByteArray:
    """Decode images to (n, channels, size, size) uint8; others are scaled bilinearly to `size`."""
    decoded = np.empty((len(images), channels, size, size), np.uint8)

    def fill(start: int) -> None:
        for i in range(start, min(start + _CHUNK, len(images))):
            decoded[i] = _pixels(images[i], size, channels)

    try:
        with decoding_pool() as pool:
            parts = range(0, len(images), _CHUNK)
            list(counted(pool.map(fill, parts), len(parts), "decoding", "batches"))
    except UNDECODABLE as error:
        raise IntegrityError(
            f"data/shards: an image cannot be decoded ({reason_of(error)}), though it could when "
            "it was taken in: restore the data version from the remote"
        ) from error
    return decoded


def reason_of(error: BaseException) -> str:
    """Pillow's message without the address of the buffer that it read."""
    text = " ".join(str(error).split(" <_io")[0].split())
    return text or type(error).__name__


def orientation(image: Image.Image) -> int:
    """EXIF's orientation, 1 to 8; where it cannot be read the picture is shown as it is stored."""
    if not image.info.keys() & {"exif", "Raw profile type exif"}:
        return 1
    try:
        found = image.getexif().get(_TAG)
    except Exception:  # noqa: BLE001  # Pillow raises all kinds on EXIF that is none
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def upright(image: Image.Image, mode: str) -> Image.Image:
    """Give an open image in this mode as a viewer shows it, in its own size."""
    image.load()
    turn = _UPRIGHT.get(orientation(image))
    plain = _opaque(image, mode)
    return plain if turn is None else plain.transpose(turn)


def _pixels(content: bytes, size: int, channels: int) -> ByteArray:
    """Decode one image, (channels, size, size)."""
    with Image.open(io.BytesIO(content), formats=FORMATS) as image, BUDGET.of(image.size):
        image.load()
        turn = _UPRIGHT.get(orientation(image))
        plain = _opaque(image, "L" if channels == 1 else "RGB")
        if plain.size != (size, size):
            plain = plain.resize((size, size), Image.Resampling.BILINEAR)
        if turn is not None:
            plain = plain.transpose(turn)
        return np.asarray(plain, np.uint8).reshape(size, size, channels).transpose(2, 0, 1)


def _opaque(image: Image.Image, mode: str) -> Image.Image:
    """Lay an image on white and give it this mode."""
    if image.has_transparency_data:
        over = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, over).convert(mode)
    return image if image.mode == mode else image.convert(mode)
