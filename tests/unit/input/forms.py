"""What a form of input is, and the plain data set that each is a change of."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from systems.data.gathering import Gathered
from systems.data.sources import Source

PEOPLE, N = 10, 40
TAKEN, REFUSED = "taken", "refused"


def nothing(found: Any) -> None:
    """Assert no more than that it was taken."""


@dataclass(frozen=True)
class Form:
    """A form of input. words: what the docs say of it.

    If it is refused the words stand in the error's line; if it is taken `check` asserts what they
    say, and `notes` stands in what the user is told.
    """

    name: str
    outcome: str
    words: str
    make: Callable[[Path], Any]
    check: Callable[[Any], None] = nothing
    notes: str = ""


def encoded(image: Image.Image, kind: str = "PNG", **more: Any) -> bytes:
    """Encode an image."""
    file = io.BytesIO()
    image.save(file, kind, **more)
    return file.getvalue()


def picture(seed: int, *, side: int = 8, mode: str = "RGB") -> Image.Image:
    """Make noise."""
    shape = (side, side, 3)
    pixels = np.random.default_rng(seed).integers(256, size=shape, dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


def columns(n: int = N, **changed: Any) -> dict[str, Any]:
    """Make examples of 10 people and 2 classes; None leaves a column out."""
    made = {
        "image": [encoded(picture(i)) for i in range(n)],
        "label": [i % 2 for i in range(n)],
        "subject_id": [f"person/{i * PEOPLE // n}" for i in range(n)],
        "example_id": [f"e{i:03d}" for i in range(n)],
    }
    return {name: column for name, column in (made | changed).items() if column is not None}


def put(path: Path, **changed: Any) -> Path:
    """Write a Parquet file of the plain data set, changed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns(**changed)), path)
    return path


def table(**changed: Any) -> Callable[[Path], Source]:
    """Give a maker of a Parquet file with these columns changed."""
    return lambda folder: Source(str(put(folder / "train.parquet", **changed)))


def row(name: str, value: Any, at: int = 7) -> Callable[[Path], Source]:
    """Give a maker of a file with one value changed."""
    values = list(columns()[name])
    values[at] = value
    return table(**{name: values})


def with_test(train: dict[str, Any], test: dict[str, Any]) -> Callable[[Path], Source]:
    """Give a maker of a file to train on and one to test with, of other people."""
    others = {
        "subject_id": [f"other/{i}" for i in range(N)],
        "example_id": [f"t{i}" for i in range(N)],
    }

    def make(folder: Path) -> Source:
        data = put(folder / "train.parquet", **train)
        return Source(str(data), test=put(folder / "test.parquet", **{**others, **test}))

    return make


def meant(make: Callable[[Path], Source]) -> Callable[[Path], Source]:
    """Say --as-written too."""

    def with_option(folder: Path) -> Source:
        made = make(folder)
        return Source(made.data, made.test, made.holdout, made.columns, as_written=True)

    return with_option


def classes(*names: str) -> Callable[[Gathered], None]:
    """Assert the names of the classes."""

    def check(found: Gathered) -> None:
        assert found.dataset.classes == names

    return check
