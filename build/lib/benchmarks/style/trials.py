"""The trials of the style benchmark: coloured MNIST, its networks, and what is read off them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from torch import nn

from benchmarks.samples import SHARED, decoded
from unlearning import networks
from unlearning.domain import Examples, FloatArray, Split, TextArray
from unlearning.features import probe_auc, tapped
from unlearning.networks import Classifier, Recipe
from unlearning.outputs import BATCH
from unlearning.training.loop import Training, train

FORGOTTEN = ("white_on_purple", "black_on_white", "red", "pink_on_grey")
"""The style that a seed forgets; the last is the one that settings are chosen on."""

RECIPE = Recipe(
    network="conv-medium",
    classes=10,
    channels=3,
    size=28,
    mean=(0.26, 0.25, 0.28),
    std=(0.36, 0.33, 0.33),
)
TRAINING = Training(epochs=8, batch_size=64, learning_rate=0.1, precision="fp32")
LAYER = "body.5"
"""The end of the second of three convolutions: 64 channels at a quarter of the size."""

PROBES = ("probe, early", "probe", "probe, outputs")
COLUMNS = ("forgotten style", "other styles", *PROBES)


@dataclass(frozen=True, eq=False)
class Styled:
    """Examples with the style of each, (n,)."""

    examples: Examples
    styles: TextArray


@cache
def data(part: str, count: int) -> Styled:
    """Draw some of the shared images."""
    path = SHARED / f"coloured_mnist/{part}.parquet"
    table = pq.read_table(path, columns=["style"])
    rows = np.random.default_rng(0).permutation(len(table))[:count]
    return Styled(decoded(path, rows), np.array(table["style"].to_pylist(), dtype=np.str_)[rows])


def training_data() -> Styled:
    """Give 4,000 training images of all styles."""
    return data("train", 4000)


def test_data() -> Styled:
    """Give 2,000 test images of all styles."""
    return data("test", 2000)


def split_of(seed: int) -> Split:
    """Forget the seed's style."""
    known, test = training_data(), test_data().examples
    forgets = known.styles == FORGOTTEN[seed]
    forget, retain = known.examples.take(forgets), known.examples.take(~forgets)
    return Split(forget, retain, test, test, RECIPE.classes)


def models(seed: int, folder: Path) -> tuple[Classifier, Classifier]:
    """Give the seed's original and retrained network, trained now unless they are kept."""
    original = _kept(folder / f"original-{seed}.safetensors", training_data().examples, seed)
    retain = split_of(seed).retain
    return original, _kept(folder / f"retrained-{seed}.safetensors", retain, 500_000 + seed)


def _kept(path: Path, examples: Examples, seed: int) -> Classifier:
    if not path.exists():
        rng = torch.Generator().manual_seed(seed)
        network = networks.build(RECIPE, rng)
        train(network, examples, TRAINING, rng)
        networks.save(network, path)
        print("trained", path.name, flush=True)
    return networks.load(path)


def columns(network: nn.Module, seed: int) -> dict[str, float]:
    """Give digit accuracy on both kinds of test images, and the style probe at three depths.

    A probe is the AUC of a logistic regression that tells the forgotten style from the others;
    trained on training images of all styles, scored on test images. It reads the mean of each
    channel at LAYER (`early`), the penultimate features, or the logits (`outputs`).
    """
    known, test = training_data(), test_data()
    was, is_ = (part.styles == FORGOTTEN[seed] for part in (known, test))
    fitted, scored = (depths(network, part.examples) for part in (known, test))
    right = scored[-1].argmax(1) == test.examples.labels
    probes = [probe_auc(a, was, b, is_) for a, b in zip(fitted, scored, strict=True)]
    accuracies = float(right[is_].mean()), float(right[~is_].mean())
    return dict(zip(COLUMNS, (*accuracies, *probes), strict=True))


@torch.inference_mode()
def depths(network: nn.Module, examples: Examples) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Give what probes read, from one pass: (n, 64), (n, 1024) and (n, 10) float32."""
    parts = []
    with tapped(network, LAYER) as early, tapped(network) as late:
        for images in torch.split(torch.from_numpy(examples.images), BATCH["cpu"]):
            logits = network(images.contiguous(memory_format=torch.channels_last))
            parts.append((early.value.mean((2, 3)), late.value, logits))
    first, second, last = (torch.cat(depth).numpy() for depth in zip(*parts, strict=True))
    return first, second, last
