"""The ground: a network trained on other pictures of CIFAR-10 lends its frozen weights."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks import samples
from unlearning import networks
from unlearning.digests import sha256_file
from unlearning.domain import Examples
from unlearning.heads.backbones import on_backbone
from unlearning.networks import Classifier
from unlearning.recipe import Head
from unlearning.training.loop import Training, train

NETWORK, LENT, TRAINED, HELD = "conv-medium", 25_000, 10_000, 5_000
PERSON = 10
"""Images of one synthetic person."""

TRAINING = Training(epochs=12, batch_size=128, learning_rate=0.2, augmentation="crop_flip")


class Ground:
    """CIFAR-10's training images in three disjoint parts, and half of its test images.

    rows: those of each part in the file of training images.
    """

    def __init__(self) -> None:
        """Decode the images."""
        order = np.random.default_rng(0).permutation(50_000)
        rows = np.split(order, np.cumsum([LENT, TRAINED, HELD]))
        file = samples.SHARED / "cifar10/train.parquet"
        self.rows = dict(zip(("lent", "train", "holdout"), rows[:3], strict=True))
        self._file = file
        self.train, self.holdout = (_people(samples.decoded(file, r)) for r in rows[1:3])
        rest = np.random.default_rng(1).permutation(10_000)[:5_000]
        self.test = samples.decoded(samples.SHARED / "cifar10/test.parquet", rest)
        self.recipe = samples.recipe_on_cifar10(NETWORK)

    def lent(self) -> Examples:
        """Decode the images that the backbone learns from; nobody else sees them."""
        return samples.decoded(self._file, self.rows["lent"])

    def network_on(self, examples: Examples, seed: int) -> tuple[Classifier, dict[str, float]]:
        """Train a whole network, with the seconds that it takes."""
        rng, began = torch.Generator().manual_seed(seed), Clock()
        made = train(networks.build(self.recipe, rng), examples, TRAINING, rng)
        assert isinstance(made, Classifier)
        return made, began.spent()

    def blank(self, backbone: Path, loss: str, penalty: float) -> Classifier:
        """Give a network on the lent weights, without a head."""
        head = Head(backbone=sha256_file(backbone), loss=loss, penalty=penalty)
        return on_backbone(backbone, replace(self.recipe, head=head))


def _people(examples: Examples) -> Examples:
    owners = np.array([f"{row // PERSON:05d}-{examples.ids[0]}" for row in range(len(examples))])
    return replace(examples, subjects=owners)


class Clock:
    """Wall and processor seconds since it was made."""

    def __init__(self) -> None:
        """Begin."""
        self._wall, self._processor = time.perf_counter(), time.process_time()

    def spent(self) -> dict[str, float]:
        """Give both."""
        return {
            "seconds": round(time.perf_counter() - self._wall, 3),
            "processor_seconds": round(time.process_time() - self._processor, 3),
        }
