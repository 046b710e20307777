"""What is left of examples in a workspace: their ids, their bytes, their pixels."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from systems.data import reading
from systems.settings.workspace import Workspace


@dataclass(frozen=True)
class Canary:
    """Some people's data, as it is searched for. images: encoded, by example id."""

    subjects: tuple[str, ...]
    images: Mapping[str, bytes]

    @property
    def ids(self) -> list[str]:
        """Example ids and subject ids."""
        return [*self.images, *self.subjects]


def people_of(root: Path, split: str, count: int, start: int = 0) -> list[str]:
    """Name people whose examples are in a split, in the order of their names."""
    table = reading.read_table(Workspace(root), ["subject_id", "split"]).to_pylist()
    found = sorted({row["subject_id"] for row in table if row["split"] == split})
    return found[start : start + count]


def canary_of(root: Path, subjects: list[str]) -> Canary:
    """Take people's data out of a workspace that still has it.

    An image that somebody else has too, bit for bit, tells nothing and is left out.
    """
    columns = ["image", "example_id", "subject_id"]
    rows = reading.read_table(Workspace(root), columns).to_pylist()
    others = {row["image"] for row in rows if row["subject_id"] not in subjects}
    theirs = [row for row in rows if row["subject_id"] in subjects]
    images = {row["example_id"]: row["image"] for row in theirs if row["image"] not in others}
    assert len(images) > len(theirs) / 2
    return Canary(tuple(subjects), images)


def files_below(*folders: Path) -> Iterator[Path]:
    """Give every file."""
    for folder in folders:
        yield from (path for path in sorted(folder.rglob("*")) if path.is_file())


def naming(canary: Canary, *folders: Path) -> list[tuple[str, str]]:
    """Give (file, id) where an id stands in a file's bytes or in its name."""
    return [
        (str(path), name)
        for path in files_below(*folders)
        for content in [path.read_bytes() + str(path).encode()]
        for name in canary.ids
        if name.encode() in content
    ]


def holding(canary: Canary, *folders: Path) -> list[str]:
    """Give the files that hold an example: as a row, as encoded bytes or as plain pixels."""
    pixels = [np.asarray(Image.open(io.BytesIO(image))) for image in canary.images.values()]
    plain = [array.tobytes() for array in pixels if np.unique(array).size > 2]
    wanted = [*canary.images.values(), *plain]
    return [
        str(path)
        for path in files_below(*folders)
        for content in [path.read_bytes()]
        if any(bytes_ in content for bytes_ in wanted) or _has_rows(content, canary)
    ]


def _has_rows(content: bytes, canary: Canary) -> bool:
    if not content.startswith(b"PAR1"):
        return False
    table = pq.read_table(pa.BufferReader(content))
    images = set(canary.images.values())
    return any(
        row["image"] in images or row["example_id"] in canary.images for row in table.to_pylist()
    )


def contents(folder: Path) -> dict[str, bytes]:
    """Read a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in files_below(folder)}
