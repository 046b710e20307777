"""Kinds of pictures, each one among plain ones."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from systems.data import images
from systems.data.gathering import Gathered
from systems.data.sources import Source
from tests.unit.input.forms import REFUSED, TAKEN, Form, columns, encoded, nothing, picture, row
from tests.unit.input.forms import table as changed

PLAIN = picture(1)


def one(content: bytes) -> Callable[[Path], Source]:
    """Put one picture among plain ones."""
    return row("image", content)


def pixels(content: bytes, channels: int = 3) -> list[list[list[int]]]:
    """Decode as a run does."""
    found = images.decode([content], size=8, channels=channels)[0]
    return found.transpose(1, 2, 0).tolist()  # type: ignore[no-any-return]


def shows(content: bytes, expected: Image.Image) -> Callable[[Gathered], None]:
    """Assert that a picture is seen as this one."""

    def check(found: Gathered) -> None:
        assert content in found.table["image"].to_pylist()
        assert pixels(content) == np.asarray(expected.convert("RGB")).tolist()

    return check


def seen_as(form: str, words: str, content: bytes, expected: Image.Image, notes: str = "") -> Form:
    """Give a form that is taken."""
    return Form(form, TAKEN, words, one(content), shows(content, expected), notes)


def refused(form: str, words: str, content: bytes) -> Form:
    """Give a form that is refused by its row."""
    return Form(form, REFUSED, words, one(content))


def orientation(value: int) -> Image.Exif:
    """Make an EXIF record."""
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def lying(kind: str = "PNG") -> bytes:
    """Photograph with the camera held upright: stored lying, EXIF says to turn it clockwise."""
    return encoded(PLAIN.rotate(90, expand=True), kind, exif=orientation(6))


def glass() -> tuple[Image.Image, Image.Image]:
    """Make a picture that nobody sees the half of, and what is seen on white."""
    through, seen = PLAIN.convert("RGBA"), PLAIN.copy()
    through.paste((200, 0, 0, 0), (0, 0, 8, 4))
    seen.paste((255, 255, 255), (0, 0, 8, 4))
    return through, seen


def animated(kind: str) -> bytes:
    """Make two frames."""
    return encoded(PLAIN, kind, save_all=True, append_images=[picture(2)], duration=100)


def telephone() -> bytes:
    """Make a JPEG with a second picture behind the first."""
    return encoded(PLAIN, "MPO", save_all=True, append_images=[picture(2)])


def deep(mode: str) -> bytes:
    """Make a PNG of 16 bits a channel."""
    if mode == "I;16":
        return encoded(Image.fromarray(np.full((8, 8), 40_000, np.uint16)))

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    header = struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)
    lines = zlib.compress((b"\0" + b"\x9c\x40" * 24) * 8)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")
    )


def flipped(content: bytes) -> bytes:
    """Flip a bit."""
    return content[:60] + bytes([content[60] ^ 4]) + content[61:]


def grey(found: Gathered) -> None:
    assert found.dataset.channels == 1


def photographs(found: Gathered) -> None:
    assert (found.dataset.size, found.dataset.channels) == (128, 3)


def through_and_seen() -> tuple[bytes, Image.Image]:
    through, seen = glass()
    return encoded(through), seen


def huge(side: int) -> bytes:
    """Make a small file of many pixels."""
    return encoded(Image.new("1", (side, side)))


def sides(*longer: int) -> list[bytes]:
    """Make 40 pictures with these sides in turn."""
    return [encoded(picture(i, side=longer[i % len(longer)])) for i in range(40)]


GREYS = [encoded(picture(i, mode="1" if i % 2 else "L")) for i in range(40)]
JPEG = encoded(PLAIN, "JPEG")
WITH_JPEG = [JPEG, encoded(PLAIN, "WEBP", lossless=True), encoded(PLAIN, "BMP")]
EXACT = Image.open(BytesIO(JPEG))

PICTURES = [
    Form(
        "PNG, JPEG, WebP, BMP; RGB of 8 bits a channel",
        TAKEN,
        "as they are",
        changed(image=[*columns()["image"][3:], *WITH_JPEG]),
        shows(JPEG, EXACT),
    ),
    Form(
        "grey, also of 1 bit", TAKEN, "one channel where all are grey", changed(image=GREYS), grey
    ),
    seen_as(
        "grey among colour", "three equal channels", encoded(PLAIN.convert("L")), PLAIN.convert("L")
    ),
    seen_as(
        "palette",
        "the colours of the palette",
        encoded(PLAIN.quantize(16)),
        PLAIN.quantize(16),
    ),
    seen_as("turned by EXIF", "upright, as viewers show it", lying(), PLAIN),
    seen_as(
        "EXIF that cannot be read",
        "as it is stored, as viewers show it",
        encoded(PLAIN, exif=b"Exif\0\0nonsense"),
        PLAIN,
    ),
    seen_as(
        "colour profile",
        "as without: profiles are not applied",
        encoded(PLAIN, icc_profile=b"of some camera"),
        PLAIN,
    ),
    seen_as(
        "transparent pixels",
        "laid on white, and told",
        *through_and_seen(),
        "1 of 40 pictures have transparent pixels: they are laid on white",
    ),
    seen_as(
        "alpha without transparent pixels", "as without", encoded(PLAIN.convert("RGBA")), PLAIN
    ),
    seen_as(
        "several pictures in a telephone's JPEG",
        "the first",
        telephone(),
        Image.open(BytesIO(telephone())),
    ),
    refused("16 bits a channel, grey", "it has 16 bits a channel", deep("I;16")),
    refused("16 bits a channel, RGB", "it has 16 bits a channel", deep("RGB")),
    refused("CMYK", "its mode is CMYK", encoded(PLAIN.convert("CMYK"), "JPEG")),
    refused("animated PNG", "it has 2 frames, expected one", animated("PNG")),
    refused("animated WebP", "it has 2 frames, expected one", animated("WEBP")),
    refused("cut off", "image cannot be decoded", encoded(PLAIN)[:-40]),
    refused("cut off, JPEG", "image cannot be decoded", JPEG[: len(JPEG) // 2]),
    refused("a flipped bit in a PNG", "image cannot be decoded", flipped(encoded(PLAIN))),
    refused("GIF, TIFF, HEIC, SVG", "cannot identify image file", encoded(PLAIN, "GIF")),
    refused("empty", "image is empty", None),  # type: ignore[arg-type]  # that is the form
    refused("no byte", "cannot identify image file", b""),
    refused(
        "fewer than 4 pixels a side", "expected 4 a side at least", encoded(picture(1, side=1))
    ),
    refused("more than 80 million pixels", "expected 80 million at most", huge(9_000)),
    refused("a decompression bomb", "exceeds limit", huge(20_000)),
    Form(
        "larger than 128 pixels, without --size",
        TAKEN,
        "128 x 128, and told",
        changed(image=sides(200)),
        photographs,
        "pictures of 200 x 200 pixels are scaled to 128 x 128",
    ),
    Form(
        "of different sizes, without --size",
        TAKEN,
        "the most frequent longer side, 128 at most, and told",
        changed(image=sides(8, 12, 8)),
        nothing,
        "pictures of 8 x 8 pixels to 12 x 12 pixels are scaled to 8 x 8",
    ),
]
