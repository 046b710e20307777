"""The search finds a person in every form; one that it would miss would prove nothing elsewhere."""

from __future__ import annotations

import base64
import gzip
import io
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from safetensors.numpy import save as save_tensors

from tests.canary import PIXELS, SUBJECT, Canary, a_canary, found_in

CANARY, OTHER = a_canary(), a_canary(1)


def written(write: Callable[[io.BytesIO], object]) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def table(canary: Canary, compression: str) -> bytes:
    made = pa.table({"image": [canary.image()], "subject_id": [canary.subject]})
    return written(lambda file: pq.write_table(made, file, compression=compression))


def database(canary: Canary) -> bytes:
    """The text behind 10,000 others, so that it lies on a page of its own or over two."""
    with closing(sqlite3.connect(":memory:")) as made:
        made.execute("PRAGMA page_size = 512")
        made.execute("CREATE TABLE runs (note TEXT)")
        made.execute("INSERT INTO runs VALUES (?)", ("x" * 10_000 + canary.subject,))
        made.commit()
        return bytes(made.serialize())


def archive(canary: Canary) -> bytes:
    def write(file: io.BytesIO) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
            made.writestr("inner/picture.png", canary.image())

    return written(write)


def batch(canary: Canary, kind: type, scale: float) -> np.ndarray:
    """Three pictures, of which the second is meant."""
    plain = np.zeros((3, 1, 8, 8), np.uint8)
    plain[1, 0] = canary.pattern
    return plain.astype(kind) if scale == 1 else plain.astype(kind) / kind(scale)


FORMS: dict[str, tuple[Callable[[Canary], bytes], set[str]]] = {
    "text": (lambda c: f"name: {c.subject}\n".encode(), {SUBJECT}),
    "text of two bytes": (lambda c: c.subject.encode("utf-16-le"), {SUBJECT}),
    "text in base64": (lambda c: base64.b64encode(c.subject.encode()), {SUBJECT}),
    "database": (database, {SUBJECT}),
    "parquet": (lambda c: table(c, "none"), {SUBJECT, PIXELS}),
    "compressed parquet": (lambda c: table(c, "zstd"), {SUBJECT, PIXELS}),
    "picture": (Canary.image, {PIXELS}),
    "picture, encoded otherwise": (
        lambda c: written(lambda file: Image.fromarray(c.pattern).save(file, "BMP")),
        {PIXELS},
    ),
    "array": (lambda c: written(lambda f: np.save(f, batch(c, np.uint8, 1))), {PIXELS}),
    "compressed arrays": (
        lambda c: written(lambda f: np.savez_compressed(f, x=batch(c, np.float32, 255))),
        {PIXELS},
    ),
    "tensors": (lambda c: save_tensors({"x": batch(c, np.float32, 255)}), {PIXELS}),
    "archive": (archive, {PIXELS}),
    "gzip": (lambda c: gzip.compress(c.subject.encode()), {SUBJECT}),
    "a picture in a page": (
        lambda c: b'<img src="data:image/png;base64,' + base64.b64encode(c.image()) + b'">',
        {PIXELS},
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_search_finds_every_form_and_nobody_else(form: str) -> None:
    make, wanted = FORMS[form]
    assert found_in(make(CANARY), CANARY) == wanted
    assert found_in(make(OTHER), CANARY) == set()
