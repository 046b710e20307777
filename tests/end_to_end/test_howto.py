"""The how-to pages and the tutorial do what they say: every command of theirs is run, in order."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable
from contextlib import ExitStack
from multiprocessing.context import ForkServerContext
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from tests.end_to_end.conftest import MakeLethe
from tests.end_to_end.followed import Reader
from tests.integration import postgresql
from tests.integration.buckets import bucket_on_loopback
from unlearning.networks import Recipe, build, save

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [DOCS / "tutorial.md", *sorted((DOCS / "howto").glob("*.md"))]
BESIDE = re.compile(r"<!-- begins beside: ([^>]+) -->")
INSIDE = "<!-- begins in a workspace -->"
ROWS, SIDE, CLASSES = 150, 8, 3
RECIPE = Recipe(
    network="conv-small", classes=CLASSES, channels=1, size=SIDE, mean=(0.5,), std=(0.5,)
)


def picture(rng: np.random.Generator, label: int) -> bytes:
    """Noise, brighter in another third for each class."""
    pixels = rng.integers(0, 60, (SIDE, SIDE), dtype=np.uint8)
    pixels[label * 3 : label * 3 + 2] += 150
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def table(place: Path, rows: int, first: int) -> None:
    """Write pictures of people with three each; first: the number of the first person."""
    rng = np.random.default_rng(first)
    labels = [n % CLASSES for n in range(rows)]
    columns = {
        "image": pa.array([picture(rng, label) for label in labels], pa.binary()),
        "label": pa.array(labels),
        "person": pa.array([f"person-{first + n // 3}" for n in range(rows)]),
    }
    pq.write_table(pa.table(columns), place)


def photographs(place: Path) -> None:
    rng = np.random.default_rng(7)
    for label, name in enumerate(("automobile", "ship", "truck")):
        (place / name).mkdir(parents=True)
        for n in range(40):
            (place / name / f"IMG_{n:04d}.jpg").write_bytes(picture(rng, label))


def weights(place: Path) -> None:
    """A network that has learned the bright third for a moment, so that it tells classes apart."""
    rng, network = np.random.default_rng(1), build(RECIPE, torch.Generator().manual_seed(3))
    labels = [n % CLASSES for n in range(60)]
    seen = [np.asarray(Image.open(io.BytesIO(picture(rng, label)))) for label in labels]
    images = torch.from_numpy(np.stack(seen))[:, None]
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(40):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(network(images), torch.tensor(labels)).backward()
        optimiser.step()
    save(network, place)


MADE: dict[str, Callable[[Path], None]] = {
    "people.parquet": lambda place: table(place, ROWS, 0),
    "more.parquet": lambda place: table(place, 12, 900),
    "never-seen.parquet": lambda place: table(place, 60, 500),
    "photos": photographs,
    "trained.safetensors": weights,
    "backbone.safetensors": weights,
}


def environment_for(wanted: list[str], stack: ExitStack) -> dict[str, str]:
    """Start what a page has beside it and is no file; give what a shell is told of it."""
    known: dict[str, str] = {}
    patch = stack.enter_context(pytest.MonkeyPatch.context())
    if "s3" in wanted:
        stack.enter_context(bucket_on_loopback(patch, versioned=True))
        names = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        known |= {name: os.environ[name] for name in (*names, "AWS_DEFAULT_REGION")}
    if "postgresql" in wanted:
        url = stack.enter_context(postgresql.server())
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE lethe")
        known |= {"PGPORT": str(urlsplit(url).port)}
    return known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_is_followed_word_for_word(
    page: Path,
    tmp_path: Path,
    templates: Path,
    make_lethe: MakeLethe,
    context: ForkServerContext,
    environment: dict[str, str],
) -> None:
    text = page.read_text("utf-8")
    wanted = [name.strip() for names in BESIDE.findall(text) for name in names.split(",")]
    folder = make_lethe(page.stem).root if INSIDE in text else tmp_path / "here"
    folder.mkdir(exist_ok=True)
    for name in set(wanted) & set(MADE):
        MADE[name](folder / name)
    with ExitStack() as stack:
        own = {**environment, "TMPDIR": str(tmp_path), **environment_for(wanted, stack)}
        Reader(folder, templates, context, own).follow(text)
