"""FAMR at full size: what is absent is left out by its reason; a tiny one runs."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from benchmarks.famr import full
from benchmarks.gpu import study as gpu
from benchmarks.methods import full_cifar
from unlearning.errors import UsageError
from unlearning.training.loop import Training

TINY = "test_vit"
"""timm's own smallest transformer, of 64 dimensions."""


def png(value: int) -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(value).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    Image.fromarray(noise).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Twelve training and six test pictures of noise, three classes, and weights of one size."""
    pictures, weights = tmp_path / "cifar100", tmp_path / "weights"
    pictures.mkdir()
    weights.mkdir()
    for part, n in (("train", 12), ("test", 6)):
        table = {"img": [{"bytes": png(i)} for i in range(n)], "fine_label": [*range(3)] * (n // 3)}
        pq.write_table(pa.table(table), pictures / f"{part}-0.parquet")
    monkeypatch.setattr(full, "SIZES", {"Ti": TINY, "S": "test_vit2"})
    state = timm.create_model(TINY, num_classes=7, img_size=32).state_dict()
    save_file(state, weights / f"{TINY}.safetensors")
    return pictures, weights


def test_it_runs_on_what_there_is_and_says_what_there_is_not(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    found, missing = full.ground([folders[0]], folders[1])
    assert missing == ["ViT-S is left out: test_vit2.safetensors is not in weights/"]
    assert (found.classes, len(found.train), found.train.images.shape[1:]) == (3, 12, (3, 32, 32))
    training = Training(epochs=1, batch_size=4, learning_rate=1e-4, optimiser="adamw")
    tiny = replace(found, training=training, seen=32)
    rows = list(full.rows(tiny, 1, tmp_path / "kept"))
    assert [row["row"] for row in rows] == ["original", *full.VARIANTS, "retrained"]
    assert {"Ret", "For", "CE", "Ent", "KL"} <= set(rows[0]["columns"])
    assert rows[0]["columns"]["KL"] == 0.0 < rows[-1]["columns"]["KL"]
    assert list(full.rows(tiny, 1, tmp_path / "kept")) == rows


def test_the_last_layer_alone_is_fresh(folders: tuple[Path, Path]) -> None:
    on = replace(full.ground([folders[0]], folders[1])[0], seen=32)
    first, second = (full.pretrained(on, "Ti", torch.Generator().manual_seed(s)) for s in (0, 1))
    same = {k: torch.equal(v, second.state_dict()[k]) for k, v in first.state_dict().items()}
    assert not same["body.body.head.weight"]
    assert all(equal for key, equal in same.items() if ".head." not in key)
    assert first.last_layer.out_features == 3


def test_of_nothing_it_says_why(tmp_path: Path, folders: tuple[Path, Path]) -> None:
    with pytest.raises(UsageError, match="no pictures in absent/"):
        full.ground([tmp_path / "absent"], folders[1])
    with pytest.raises(UsageError, match=rf"{TINY}.safetensors is not in absent/"):
        full.ground([folders[0]], tmp_path / "absent")


def test_weights_of_another_network_are_refused(folders: tuple[Path, Path]) -> None:
    save_file({"other": torch.zeros(1)}, folders[1] / f"{TINY}.safetensors")
    on = replace(full.ground([folders[0]], folders[1])[0], seen=32)
    with pytest.raises(UsageError, match=f"is no {TINY}"):
        full.pretrained(on, "Ti", torch.Generator())


def test_it_is_a_step_of_what_waits_for_a_gpu() -> None:
    assert tuple(gpu.STEPS["famr"][:2]) == ("famr", "--full")


def test_cifar10_in_parts_counts_when_all_parts_are_there(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(full, "PARTS", folders[0])
    monkeypatch.setattr(full_cifar, "COUNTS", {"train": 24, "test": 6})
    with pytest.raises(UsageError, match="no pictures in cifar100/"):
        full.ground([folders[0]], folders[1])
    pq.write_table(pq.read_table(folders[0] / "train-0.parquet"), folders[0] / "train-1.parquet")
    assert len(full.ground([folders[0]], folders[1])[0].train) == 24
