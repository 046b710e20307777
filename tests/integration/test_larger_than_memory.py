"""Data that are too many for memory: decoded into a file, which is a copy of people's pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from systems.compute.producing import recipe_for, train_network
from systems.data import decoded, loading, versions
from systems.data.decoded import LIMIT
from systems.data.linked import WHY
from systems.data.sharding import load_dataset
from tasks.running.opened import Opened
from tests.integration import small_runs
from unlearning import stored
from unlearning.domain import SPLITS, TRAIN, Examples
from unlearning.errors import IntegrityError
from unlearning.stored import Lazy
from unlearning.training.loop import Training

TRAINING = Training(epochs=1, batch_size=16, precision="fp32")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_runs.small(tmp_path_factory.mktemp("original") / "workspace")


@pytest.fixture
def at(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """A workspace whose data are always too many."""
    monkeypatch.setenv(LIMIT, "0")
    monkeypatch.setattr(stored, "SMALL", 0)
    return small_runs.copied(original, tmp_path / "workspace")


def files(at: Opened) -> list[Path]:
    return sorted(at.ws.decoded.glob("*"))


def in_memory(at: Opened, monkeypatch: pytest.MonkeyPatch) -> dict[str, Examples]:
    with monkeypatch.context() as patch:
        patch.setenv(LIMIT, "1000")
        return loading.load_examples(at.ws)


def test_the_same_examples_come_from_the_file(
    at: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And the same network, bit for bit, since the order is that of the ids either way."""
    plain, there = in_memory(at, monkeypatch), loading.load_examples(at.ws)
    for split in SPLITS:
        assert isinstance(there[split].images, Lazy)
        for field in ("images", "labels", "ids", "subjects"):
            got, wanted = (np.asarray(getattr(e[split], field)) for e in (there, plain))
            assert np.array_equal(got, wanted), (split, field)
    made = []
    for n, examples in enumerate((plain[TRAIN], there[TRAIN])):
        recipe = recipe_for("conv-small", 10, examples)
        made.append(train_network(examples, recipe, TRAINING, 3, tmp_path / f"{n}.safetensors"))
    assert made[0].sha256 == made[1].sha256
    (file,) = files(at)
    assert file.stat().st_mode & 0o077 == 0


def test_the_file_is_made_once_and_only_as_written(at: Opened) -> None:
    loading.load_examples(at.ws)
    (file,) = files(at)
    made = file.stat().st_mtime_ns
    first = np.asarray(loading.load_examples(at.ws)[TRAIN].images)
    assert file.stat().st_mtime_ns == made
    content = bytearray(file.read_bytes())
    content[-1] ^= 255
    file.write_bytes(content)
    (at.ws.decoded / "older.unfinished").write_bytes(b"somebody")
    assert np.array_equal(np.asarray(loading.load_examples(at.ws)[TRAIN].images), first)
    assert files(at) == [file]
    assert bytes(content) != file.read_bytes()


def test_an_altered_shard_leaves_no_file(at: Opened) -> None:
    shard = sorted(at.ws.shards.glob("*.parquet"))[-1]
    shard.chmod(0o600)
    shard.write_bytes(shard.read_bytes() + b"x")
    with pytest.raises(IntegrityError, match="was altered"):
        decoded.pictures(at.ws, load_dataset(at.ws))
    assert files(at) == []


def test_an_erasure_removes_the_file_and_lists_it(at: Opened) -> None:
    """Listed while it holds somebody; afterwards another is made, without him."""
    who = small_runs.person(at)
    pictures = {
        image.tobytes() for image, subject in _pairs(loading.load_examples(at.ws)) if subject == who
    }
    (before,) = files(at)
    assert [copy.what for copy in decoded.copies(at.ws)] == [f"decoded pictures {before.stem}"]
    run = small_runs.extracted(at, who)
    small_runs.go_on(run)
    assert files(at) == []
    rows: list[dict[str, Any]] = (small_runs.again(run).done("purged") or {})["copies"]
    gone = {"where": "workspace", "what": f"decoded pictures {before.stem}", "status": "removed"}
    assert gone in rows
    there = loading.load_examples(at.ws)
    (after,) = files(at)
    assert after.stem == versions.data_version(at.ws) != before.stem
    left = {image.tobytes() for image, _ in _pairs(there)}
    assert pictures and not pictures & left
    assert all(picture not in after.read_bytes() for picture in pictures)


def test_a_file_with_another_name_on_the_disk_is_not_seen_gone(at: Opened, tmp_path: Path) -> None:
    loading.load_examples(at.ws)
    (file,) = files(at)
    other = file.with_name("older.pixels")
    file.rename(other)
    (tmp_path / "elsewhere").hardlink_to(other)
    (copy,) = decoded.purge(at.ws)
    assert (copy.gone, copy.why) == (False, WHY)
    assert files(at) == []


def _pairs(examples: dict[str, Examples]) -> list[tuple[np.ndarray, str]]:
    return [
        pair
        for part in examples.values()
        for pair in zip(np.asarray(part.images), part.subjects.tolist(), strict=True)
    ]
