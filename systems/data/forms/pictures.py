"""Kinds of pictures: what is taken, what is refused and why, what they are decoded to."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from systems.data.images import (
    BUDGET,
    FORMATS,
    UNDECODABLE,
    decoding_pool,
    orientation,
    reason_of,
)
from unlearning.counting import counted
from unlearning.errors import UsageError

SMALLEST_SIDE = 4  # pixels; a picture of one pixel is a failed download, not an example
MOST_PIXELS = 80_000_000  # of one picture: above any camera, below Pillow's own alarm
LARGEST_DEFAULT = 128  # pixels a side, where --size says nothing: above it training gets slow
_GREY = frozenset({"1", "L", "LA"})
_COLOUR = frozenset({"P", "PA", "RGB", "RGBA"})


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

    size: of what was asked for, else of the pictures and the most that may be.
    """

    channels: int
    size: int
    notes: tuple[str, ...]


def inspect(images: Sequence[bytes], rows: Sequence[int], *, name: str) -> list[Seen]:
    """Decode every image once; UsageError names the first row that cannot be taken."""
    with decoding_pool() as pool:
        looked = list(counted(pool.map(_look, images), len(images), "looking at", "pictures"))
    for row, seen in zip(rows, looked, strict=True):
        if isinstance(seen, str):
            raise UsageError(
                f"{name}: row {row}: image cannot be decoded ({seen}), expected "
                f"{', '.join(FORMATS)}, grey or RGB, with 8 bits a channel: correct or remove the "
                "row"
            )
    return [seen for seen in looked if not isinstance(seen, str)]


def shape_of(
    parts: Sequence[Sequence[Seen]], *, size: int | None, most: int = LARGEST_DEFAULT
) -> Shape:
    """Say what images are decoded to: in the first part's size, in colour if any has it.

    size: pixels a side that were asked for; without them the most frequent longer side of the first
    part is taken, and `most` pixels at most.
    """
    seen = [one for part in parts for one in part]
    longer = Counter(max(one.width, one.height) for one in parts[0])
    natural = max(longer, key=lambda side: (longer[side], side))
    transparent = sum(one.transparent for one in seen)
    own = min(natural, most)
    notes = [_scaled(seen, own, min(natural, LARGEST_DEFAULT))] if size is None else []
    if transparent:
        notes.append(
            f"{transparent} of {len(seen)} pictures have transparent pixels: they are laid on white"
        )
    channels = 1 if all(one.grey for one in seen) else 3
    return Shape(channels, size or own, tuple(note for note in notes if note))


def _scaled(seen: Sequence[Seen], size: int, usual: int) -> str:
    """Say that pictures change their size or proportions, if they do.

    usual: what the size would be, were it not for the time that so many examples take.
    """
    sides = sorted({(one.width, one.height) for one in seen}, key=lambda side: side[0] * side[1])
    if sides == [(size, size)]:
        return ""
    first, last = (f"{width} x {height} pixels" for width, height in (sides[0], sides[-1]))
    sizes = first if len(sides) == 1 else f"{first} to {last}"
    return (
        f"pictures of {sizes} are scaled to {size} x {size}, whatever their proportions: "
        f"--size takes another size{_and_longer(size, usual)}"
    )


def _and_longer(size: int, usual: int) -> str:
    if usual <= size:
        return ""
    times = (usual / size) ** 2
    return (
        f"; this one lets the first model and the bank be made soon, --size {usual} would take "
        f"about {times:.0f} times as long"
    )


def _look(content: bytes) -> Seen | str:
    """Say what an image is, or why it cannot be taken."""
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if problem := _objection(image, content):
                return problem
            with BUDGET.of(image.size):
                image.load()
                transparent = _shines_through(image)
                width, height = image.size
                lies = orientation(image) >= 5
    except UNDECODABLE as error:
        return reason_of(error)
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


def _shines_through(image: Image.Image) -> bool:
    if not image.has_transparency_data:
        return False
    opacity = image.convert("RGBA").getchannel("A").getextrema()
    return opacity[0] < 255  # type: ignore[operator]  # one channel has one pair
