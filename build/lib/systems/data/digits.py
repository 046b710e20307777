"""The embedded data set: scikit-learn's digits, given people and annotation mistakes."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pyarrow as pa

from unlearning.domain import ByteArray, IntArray

CLASSES = 10
PUBLIC_KEY = b"the people of digits are made up"
"""Their shard key. It hides nobody, and with it the import is the same on every machine."""

_FULL = 16  # ink in scikit-learn's digits goes from 0 to 16


def digits_table(rng: np.random.Generator, *, people_images: int, label_noise: float) -> pa.Table:
    """Make 1,797 images of 8 x 8 pixels with synthetic people and a share of wrong labels.

    Each image is given to one of n / people_images people at random, so that a person has about
    that many. Exactly round(label_noise * n) labels are wrong, each one of the nine others with
    the same chance; which ones is not kept. The mistakes fall on all splits alike, as in a set
    that was annotated by the same hands.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    n = len(digits.target)
    people = rng.integers(max(1, n // people_images), size=n)
    pixels = np.rint(digits.images * (255 / _FULL)).astype(np.uint8)
    return pa.table(
        {
            "image": pa.array([_png(image) for image in pixels], pa.binary()),
            "label": _with_mistakes(digits.target.astype(np.int64), rng, share=label_noise),
            "example_id": [f"digit/{i:04d}" for i in range(n)],
            "subject_id": [f"person/{person:04d}" for person in people],
        }
    )


def _with_mistakes(labels: IntArray, rng: np.random.Generator, *, share: float) -> IntArray:
    wrong = rng.choice(len(labels), round(share * len(labels)), replace=False)
    shift = np.zeros_like(labels)
    shift[wrong] = rng.integers(1, CLASSES, size=len(wrong))
    return np.asarray((labels + shift) % CLASSES)


def _png(pixels: ByteArray) -> bytes:
    """Encode a grey image without compressing it: how that turns out depends on who does it."""
    height, width = pixels.shape
    header = struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    stored = b"\1" + struct.pack("<2H", len(rows), len(rows) ^ 0xFFFF) + rows
    data = b"\x78\x01" + stored + struct.pack(">I", zlib.adler32(rows))
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in chunks)


def _chunk(name: bytes, content: bytes) -> bytes:
    checked = name + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))
