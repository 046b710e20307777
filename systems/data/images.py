"""Encoded images in, arrays out; what cannot be decoded is named by its row.

A picture is shown as its viewer shows it: turned as its EXIF says, transparent pixels on white.
"""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Condition

import numpy as np
from PIL import Image

from unlearning.domain import ByteArray
from unlearning.errors import IntegrityError, UsageError

# Only plain raster formats: others (EPS above all) run programs or read other files.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
SMALLEST_SIDE = 4  # pixels; a picture of one pixel is a failed download, not an example
MOST_PIXELS = 80_000_000  # of one picture: above any camera, below Pillow's own alarm
LARGEST_DEFAULT = 128  # pixels a side, where --size says nothing: above it training gets slow
_GREY = frozenset({"1", "L", "LA"})
_COLOUR = frozenset({"P", "PA", "RGB", "RGBA"})
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
_CHUNK = 50
_THREADS = min(8, os.cpu_count() or 1)
_ORIENTATION = 0x0112  # EXIF's tag
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Seen:
    """What one picture is: grey or not, its sides in pixels, whether light comes through it."""

    grey: bool
    width: int
    height: int
    transparent: bool


@dataclass(frozen=True)
class Shape:
    """What a set of images is decoded to: 1 or 3 channels, pixels a side; notes: what that costs.

    natural: the most frequent longer side.
    """

    channels: int
    natural: int
    notes: tuple[str, ...]

    @property
    def size(self) -> int:
        """Pixels a side where nothing else is asked for."""
        return min(self.natural, LARGEST_DEFAULT)


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


_BUDGET = _Budget(40_000_000)  # at up to 12 bytes a pixel on the way: half a gigabyte


def inspect(images: Sequence[bytes], rows: Sequence[int], *, name: str) -> list[Seen]:
    """Decode every image once; UsageError names the first row that cannot be taken."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with ThreadPoolExecutor(_THREADS) as pool:
            looked = list(pool.map(_look, images))
    for row, seen in zip(rows, looked, strict=True):
        if isinstance(seen, str):
            raise UsageError(
                f"{name}: row {row}: image cannot be decoded ({seen}), expected "
                f"{', '.join(FORMATS)}, grey or RGB, with 8 bits a channel: correct or remove the "
                "row"
            )
    return [seen for seen in looked if not isinstance(seen, str)]


def shape_of(parts: Sequence[Sequence[Seen]], *, size: int | None) -> Shape:
    """Say what images are decoded to: in the first part's size, in colour if any has it.

    size: pixels a side that were asked for.
    """
    seen = [one for part in parts for one in part]
    longer = Counter(max(one.width, one.height) for one in parts[0])
    natural = max(longer, key=lambda side: (longer[side], side))
    transparent = sum(one.transparent for one in seen)
    notes = [_scaled(seen, min(natural, LARGEST_DEFAULT))] if size is None else []
    if transparent:
        notes.append(
            f"{transparent} of {len(seen)} pictures have transparent pixels: they are laid on white"
        )
    channels = 1 if all(one.grey for one in seen) else 3
    return Shape(channels, natural, tuple(note for note in notes if note))


def decode(images: Sequence[bytes], *, size: int, channels: int) -> ByteArray:
    """Decode images to (n, channels, size, size) uint8; others are scaled bilinearly to `size`."""
    decoded = np.empty((len(images), channels, size, size), np.uint8)

    def fill(start: int) -> None:
        for i in range(start, min(start + _CHUNK, len(images))):
            decoded[i] = _pixels(images[i], size, channels)

    try:
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(fill, range(0, len(images), _CHUNK)))
    except _UNDECODABLE as error:
        raise IntegrityError(
            f"data/shards: an image cannot be decoded ({_reason(error)}), though it could when it "
            "was taken in: restore the data version from the remote"
        ) from error
    return decoded


def _scaled(seen: Sequence[Seen], size: int) -> str:
    """Say that pictures change their size or proportions, if they do."""
    sides = sorted({(one.width, one.height) for one in seen}, key=lambda side: side[0] * side[1])
    if sides == [(size, size)]:
        return ""
    first, last = (f"{width} x {height} pixels" for width, height in (sides[0], sides[-1]))
    sizes = first if len(sides) == 1 else f"{first} to {last}"
    return (
        f"pictures of {sizes} are scaled to {size} x {size}, whatever their proportions: "
        "--size takes another size"
    )


def _look(content: bytes) -> Seen | str:
    """Say what an image is, or why it cannot be taken."""
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            image.verify()  # checksums; leaves the image unusable
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if problem := _objection(image, content):
                return problem
            with _BUDGET.of(image.size):
                image.load()
                transparent = _shines_through(image)
                width, height = image.size
                lies = _orientation(image) >= 5
    except _UNDECODABLE as error:
        return _reason(error)
    sides = (height, width) if lies else (width, height)
    return Seen(image.mode in _GREY, *sides, transparent)


def _objection(image: Image.Image, content: bytes) -> str | None:
    width, height = image.size
    # A PNG says its bits a channel in byte 24; Pillow would cut 16 of them down to 8.
    if image.format == "PNG" and content[24] > 8:
        return f"it has {content[24]} bits a channel"
    if image.mode not in _GREY | _COLOUR:
        return f"its mode is {image.mode}"
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":  # a telephone's JPEG with a preview behind it
        return f"it has {frames} frames, expected one"
    if min(width, height) < SMALLEST_SIDE:
        return f"it has {width} x {height} pixels, expected {SMALLEST_SIDE} a side at least"
    if width * height > MOST_PIXELS:
        return f"it has {width} x {height} pixels, expected {MOST_PIXELS // 10**6} million at most"
    return None


def _reason(error: BaseException) -> str:
    """Pillow's message without the address of the buffer that it read."""
    text = " ".join(str(error).split(" <_io")[0].split())
    return text or type(error).__name__


def _shines_through(image: Image.Image) -> bool:
    if not image.has_transparency_data:
        return False
    opacity = image.convert("RGBA").getchannel("A").getextrema()
    return opacity[0] < 255  # type: ignore[operator]  # one channel has one pair


def _orientation(image: Image.Image) -> int:
    """EXIF's orientation, 1 to 8; where it cannot be read the picture is shown as it is stored."""
    if not image.info.keys() & {"exif", "Raw profile type exif"}:
        return 1
    try:
        found = image.getexif().get(_ORIENTATION)
    except Exception:  # noqa: BLE001  # Pillow raises all kinds on EXIF that is none
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _pixels(content: bytes, size: int, channels: int) -> ByteArray:
    """Decode one image, (channels, size, size)."""
    with Image.open(io.BytesIO(content), formats=FORMATS) as image, _BUDGET.of(image.size):
        image.load()
        turn = _UPRIGHT.get(_orientation(image))
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
