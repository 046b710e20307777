"""Styles of coloured MNIST as classes of a generator: how they are read, and how digits are."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from benchmarks import samples
from benchmarks.generation import grounds, study
from benchmarks.generation.legibility import LEGIBLE, NEAREST, SURE, legibility, nearest
from benchmarks.pages import generation
from tests.unit.benchmarks.test_generation import GATE, ROWS, SETTINGS
from unlearning.domain import Examples
from unlearning.generation.contract import forgotten_class
from unlearning.generation.measures import FA

COUNT = 24


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Picture n is of style n % 8 and digit n % 10, and as light as its number times ten."""
    folder = tmp_path / "coloured_mnist"
    folder.mkdir()
    for part in ("train", "test"):
        table = {
            "image": [png(10 * n) for n in range(COUNT)],
            "label": pa.array([n % 10 for n in range(COUNT)], pa.int8()),
            "style_label": pa.array([n % 8 for n in range(COUNT)], pa.int8()),
            "sample_id": [f"{part}/{n}" for n in range(COUNT)],
        }
        pq.write_table(pa.table(table), folder / f"{part}.parquet")
    monkeypatch.setattr(samples, "SHARED", tmp_path)
    return tmp_path


def png(light: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((28, 28, 3), light, np.uint8)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.usefixtures("shared")
def test_a_style_is_a_class_and_its_digit_goes_along() -> None:
    ground = grounds.styles()
    assert forgotten_class(ground.sets()) == 4 and ground.sets().classes == 8
    assert ground.digits is not None
    for part, digits in zip((ground.train, ground.test), ground.digits, strict=True):
        numbers = np.asarray(part.images)[:, 0, 0, 0] // 10
        assert part.images.shape == (COUNT, 3, 8, 8) and sorted(numbers) == list(range(COUNT))
        assert part.labels.tolist() == (numbers % 8).tolist()
        assert digits.tolist() == (numbers % 10).tolist()


def test_a_pixel_is_the_mean_of_nine_within_the_frame() -> None:
    """A frame of two pixels is cut off; of one bright pixel a ninth is left."""
    large = np.zeros((1, 1, 28, 28), np.uint8)
    large[0, 0, 1], large[0, 0, 26], large[0, 0, 3, 7] = 255, 255, 90
    found = grounds.smaller(large)
    assert found.shape == (1, 1, 8, 8) and found.sum() == found[0, 0, 0, 1] == 10


def test_without_the_shared_pictures_the_run_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(samples, "SHARED", tmp_path)
    with pytest.raises(SystemExit):
        study.main(["--data", "styles", "--cache", str(tmp_path)])
    assert "styles: train.parquet of coloured_mnist is not in ../shared/data" in (
        capsys.readouterr().err
    )


class Told(nn.Module):
    """Says of four pictures: surely a 1, surely none, a 2 or a 3, any of all eleven."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        logits = torch.full((len(x), 11), -50.0)
        logits[0, 1] = logits[1, 10] = logits[2, 2] = logits[2, 3] = 0
        logits[3] = math.log(1 / 11)
        return logits


def test_digits_are_read_though_none_was_asked_for() -> None:
    """Three of four are digits (a tie goes to the first); sure 1, 0, 1/2 and 1/11."""
    names = np.arange(4).astype(np.str_)
    drawn = Examples(np.zeros((4, 3, 8, 8), np.uint8), np.arange(4), names, names)
    found = legibility(Told(), drawn)
    assert found[LEGIBLE].value == 0.75
    assert found[SURE].value == pytest.approx((1 + 0 + 1 / 2 + 1 / 11) / 4)


def test_a_pale_style_is_none_and_still_nearest_to_itself() -> None:
    """All three are taken for none, the first of three styles comes next in two."""
    logits = np.array([[2.0, 1, 0, 9], [2.0, 1, 0, 9], [1.0, 2, 0, 9]])
    assert nearest(logits, 0, 3).value == pytest.approx(2 / 3)


def test_the_page_shows_digits_where_they_are_no_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {"reader_accuracy": 0.95, "real_legible": 0.99, "real_sure": 0.97}
    rows: list[dict[str, Any]] = study.judged(ROWS, GATE)
    for one in rows:
        filled = dict.fromkeys((*generation.MEASURES, NEAREST, LEGIBLE, SURE), one["measured"][FA])
        one["measured"] = filled | one["measured"]
    found = {"settings": SETTINGS | facts, "rows": rows}
    monkeypatch.setattr(generation, "load", lambda name: found)
    text = generation.generation("generation-styles")
    assert "| FD | nearest | legible | sure | seconds of processor |" in text
    assert "judge of digits is right about 95.0 % of test pictures" in text
