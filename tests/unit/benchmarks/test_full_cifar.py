"""All of CIFAR-10: read whole or from parts, a tenth of it forgotten."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from benchmarks import samples
from benchmarks.methods import full_cifar
from benchmarks.methods.trials import TrialName
from unlearning.errors import UsageError


def png(value: int) -> bytes:
    noise = np.random.default_rng(value).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    noise[0, 0] = value
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twenty training and ten test images of noise, in the place of the shared files."""
    folder = tmp_path / "shared" / "cifar10"
    folder.mkdir(parents=True)
    counts = {"train": 20, "test": 10}
    for part, n in counts.items():
        table = {
            "image": [png(i) for i in range(n)],
            "label": pa.array([i % 10 for i in range(n)], pa.int8()),
            "sample_id": [f"{part}/{i}" for i in range(n)],
        }
        pq.write_table(pa.table(table), folder / f"{part}.parquet")
    monkeypatch.setattr(full_cifar, "COUNTS", counts)
    monkeypatch.setattr(full_cifar, "PARTS", tmp_path / "parts")
    monkeypatch.setattr(samples, "SHARED", tmp_path / "shared")
    monkeypatch.setattr(samples, "ROOT", tmp_path)
    return folder


def test_parts_are_small_and_hold_the_same(shared: Path) -> None:
    """Pictures of noise have 3 kB, with what stands around them: 25 kB hold five, not seven."""
    whole = full_cifar.examples("train")
    written = full_cifar.write_parts(shared / "train.parquet", full_cifar.PARTS, 25_000 / 2**20)
    assert [pq.ParquetFile(path).metadata.num_rows for path in written] == [5] * 4
    assert all(path.stat().st_size <= 25_000 for path in written)
    (shared / "train.parquet").unlink()
    again = full_cifar.examples("train")
    np.testing.assert_array_equal(again.images, whole.images)
    np.testing.assert_array_equal(again.labels, whole.labels)
    assert list(again.ids) == list(whole.ids) != sorted(whole.ids)
    assert (whole.images[:, 0, 0, 0] % 10 == whole.labels).all()
    written[1].unlink()
    with pytest.raises(UsageError, match=r"20 images are neither in ../shared/data nor"):
        full_cifar.examples("train")


def test_nothing_is_held_out(shared: Path) -> None:
    setting = full_cifar.setting("cifar10-full", full_cifar.RECIPE)
    assert (len(setting.train), len(setting.holdout), len(setting.test)) == (20, 0, 10)
    assert setting.shadows == 0


def test_a_tenth_is_forgotten_another_for_each_seed() -> None:
    """Two random tenths share a tenth of a tenth: 500 of 50,000 within four deviations of 21."""
    first, second = (full_cifar.forgets(TrialName("random", seed)) for seed in (0, 1))
    assert first.sum() == second.sum() == 5_000
    assert 420 < (first & second).sum() < 580
    assert (first == full_cifar.forgets(TrialName("random", 0))).all()
