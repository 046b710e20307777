"""The data sets that benchmarks work on, cut into parts, with a network and a training each."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from unlearning.domain import Examples, Split
from unlearning.networks import Recipe
from unlearning.training.loop import Training

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared" / "data"


@dataclass(frozen=True, eq=False)
class Setting:
    """A data set cut into parts, with the network and training that it is tried on."""

    name: str
    train: Examples
    holdout: Examples
    test: Examples
    recipe: Recipe
    training: Training
    shadows: int
    forgotten: int


def digits() -> Setting:
    """Give 1,100 / 400 / 297 digits, people of 12 images, 10 % wrong labels; 10 forgotten."""
    from sklearn.datasets import load_digits

    rng = np.random.default_rng(0)
    bunch = load_digits()
    order = rng.permutation(len(bunch.target))
    images = (bunch.images[order] * 255 / 16).round().astype(np.uint8)[:, None]
    labels = bunch.target[order].astype(np.int64)
    wrong = rng.random(len(labels)) < 0.10
    labels = np.where(wrong, (labels + rng.integers(1, 10, len(labels))) % 10, labels)
    subjects = np.array([f"{i // 12:04d}" for i in range(len(labels))])
    everything = Examples(images, labels, np.arange(len(labels)).astype(np.str_), subjects)
    recipe = Recipe(network="conv-small", classes=10, channels=1, size=8, mean=(0.3,), std=(0.36,))
    training = Training(epochs=30, batch_size=64, learning_rate=0.1, precision="fp32")
    return Setting(
        "digits",
        everything.take(np.arange(1100)),
        everything.take(np.arange(1100, 1500)),
        everything.take(np.arange(1500, 1797)),
        recipe,
        training,
        shadows=32,
        forgotten=10,
    )


def decoded(path: Path, rows: np.ndarray) -> Examples:
    """Read and decode some rows of one of the shared CIFAR-10 files."""
    import pyarrow.parquet as pq
    from PIL import Image

    table = pq.read_table(path, columns=["image", "label", "sample_id"]).take(rows)
    images = [Image.open(io.BytesIO(b)).convert("RGB") for b in table["image"].to_pylist()]
    pixels = np.stack([np.asarray(image).transpose(2, 0, 1) for image in images])
    ids = np.array(table["sample_id"].to_pylist())
    return Examples(pixels, table["label"].to_numpy().astype(np.int64), ids, ids)


def recipe_on_cifar10(network: str) -> Recipe:
    """Describe a network for CIFAR-10, whose mean and deviation everybody uses."""
    mean, deviation = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
    return Recipe(network=network, classes=10, channels=3, size=32, mean=mean, std=deviation)


def cifar10() -> Setting:
    """Give 10,000 / 5,000 of CIFAR-10's training images and 5,000 test images; 500 forgotten."""
    order = np.random.default_rng(0).permutation(50_000)
    return Setting(
        "cifar10",
        decoded(SHARED / "cifar10/train.parquet", order[:10_000]),
        decoded(SHARED / "cifar10/train.parquet", order[10_000:15_000]),
        decoded(
            SHARED / "cifar10/test.parquet", np.random.default_rng(1).permutation(10_000)[:5_000]
        ),
        recipe_on_cifar10("resnet20"),
        Training(epochs=12, batch_size=128, learning_rate=0.2),
        shadows=16,
        forgotten=500,
    )


def cifar10_medium() -> Setting:
    """Give the same with a network so small that ten seeds are trained in an hour on two cores."""
    whole = cifar10()
    recipe = replace(whole.recipe, network="conv-medium")
    training = replace(whole.training, epochs=10)
    name = "cifar10-conv-medium"
    return replace(whole, name=name, recipe=recipe, training=training, shadows=32)


SETTINGS: dict[str, Callable[[], Setting]] = {"digits": digits, "cifar10": cifar10}


def split_of(setting: Setting, seed: int) -> Split:
    """Draw the forget set of a seed: whole subjects, or examples."""
    rng = np.random.default_rng(1000 + seed)
    subjects = np.unique(setting.train.subjects)
    chosen = rng.choice(subjects, setting.forgotten, replace=False)
    forgets = np.isin(setting.train.subjects, chosen)
    parts = setting.train.take(forgets), setting.train.take(~forgets)
    return Split(*parts, setting.holdout, setting.test, setting.recipe.classes)


def model_path(cache: Path, kind: str, seed: int) -> Path:
    """Name a model's file."""
    return cache / f"{kind}-{seed:03d}.safetensors"
