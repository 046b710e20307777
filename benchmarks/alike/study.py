"""How many changed copies of erased pictures are known again, and how many others asked about.

    python -m benchmarks.alike

Of each data set 200 pictures are erased, 1,000 others are the sample that they are told apart from,
and the next ones are strangers who come in later. Writes benchmarks/results/alike.json.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image, ImageEnhance, ImageOps

from benchmarks import record
from benchmarks.samples import SHARED
from systems.data.alike.erased import SAMPLE, told_apart
from systems.data.alike.hashing import hashes
from systems.data.alike.nearness import alike
from systems.settings.params import DataParams
from unlearning.statistics.intervals import clopper_pearson

ERASED, STRANGERS = 200, 1_400
MOST = next(int(field.default) for field in fields(DataParams) if field.name == "alike_bits")  # type: ignore[arg-type]
FILES = {
    "MNIST, coloured": "coloured_mnist/train.parquet",
    "Omniglot": "omniglot/train.parquet",
    "CIFAR-10": "cifar10/train.parquet",
}


def _jpeg(quality: int) -> Callable[[Image.Image], bytes]:
    return lambda picture: _encoded(picture.convert("RGB"), "JPEG", quality=quality)


def _opened(content: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(content))
    return picture.convert("L" if picture.mode in ("1", "L") else "RGB")


def _encoded(picture: Image.Image, kind: str = "PNG", **asked: int) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **asked)
    return file.getvalue()


def _halved(picture: Image.Image) -> bytes:
    half = (max(1, picture.width // 2), max(1, picture.height // 2))
    return _encoded(picture.resize(half, Image.Resampling.BICUBIC))


def _cropped(picture: Image.Image) -> bytes:
    """Take 5 % of width and height away, at least a pixel, and bring it back to its size."""
    x, y = (max(1, round(0.025 * side)) for side in picture.size)
    inside = picture.crop((x, y, picture.width - x, picture.height - y))
    return _encoded(inside.resize(picture.size, Image.Resampling.BICUBIC))


CHANGES: Mapping[str, Callable[[Image.Image], bytes]] = {
    "JPEG 75": _jpeg(75),
    "JPEG 30": _jpeg(30),
    "half the size": _halved,
    "cropped by 5 %": _cropped,
    "1.3 times as light": lambda picture: _encoded(ImageEnhance.Brightness(picture).enhance(1.3)),
    "mirrored": lambda picture: _encoded(ImageOps.mirror(picture)),
}


def digits() -> list[bytes]:
    """Give scikit-learn's digits, 8 x 8, encoded."""
    from sklearn.datasets import load_digits

    pixels = np.rint(load_digits().images * (255 / 16)).astype(np.uint8)
    return [_encoded(Image.fromarray(one)) for one in pixels]


def encoded(file: str) -> list[bytes]:
    """Give the pictures of a data set as they are encoded there."""
    table = pq.read_table(SHARED / file, columns=["image"])
    found: list[bytes] = table["image"].to_pylist()
    return found


def row(name: str, pictures: list[bytes]) -> dict[str, Any]:
    """Measure one data set, in an order that is drawn once."""
    order = np.random.default_rng(0).permutation(len(pictures))
    drawn = [pictures[at] for at in order[: ERASED + SAMPLE + STRANGERS]]
    seen, there = hashes(drawn[ERASED : ERASED + SAMPLE])
    listed = told_apart(drawn[:ERASED], seen[there])

    def known(contents: list[bytes]) -> set[int]:
        found, has = hashes(contents)
        return {at for at, _ in alike(found, listed, MOST) if has[at]}

    opened = [_opened(one) for one in drawn[:ERASED]]
    changed = {name: known([change(one) for one in opened]) for name, change in CHANGES.items()}
    strangers = drawn[ERASED + SAMPLE :]
    return {
        "data": name,
        "size": opened[0].width,
        "without likeness": ERASED - len(listed),
        "known": {name: _share(len(found), ERASED) for name, found in changed.items()},
        "asked in vain": _share(len(known(strangers)), len(strangers)),
    }


def _share(hits: int, n: int) -> dict[str, Any]:
    found = clopper_pearson(hits, n)
    return {"hits": hits, "n": n, "low": found.low, "high": found.high}


def run() -> Path:
    """Measure every data set that is there."""
    rows = [row("digits", digits())]
    rows += [row(name, encoded(file)) for name, file in FILES.items() if (SHARED / file).exists()]
    settings = {"erased": ERASED, "sample": SAMPLE, "seed": 0, "most": MOST}
    return record.write("alike", settings, rows)


def main() -> None:
    """Run the benchmark."""
    record.perform("alike", run)
