"""What networks are trained on here: digits, and a small piece of CIFAR-10 at half its size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks import samples
from benchmarks.samples import Setting
from unlearning.domain import Examples
from unlearning.errors import UsageError
from unlearning.training.loop import Training

EXAMPLES, SIDE = 2000, 16


def digits() -> Setting:
    """Give digits as benchmarks have them, a tenth of the labels wrong."""
    return samples.digits()


def cifar10() -> Setting:
    """Give 2,000 / 1,000 / 1,000 pictures of 16 x 16 pixels, with a thin ResNet-20."""
    order = np.random.default_rng(0).permutation(50_000)
    train = samples.decoded(samples.SHARED / "cifar10/train.parquet", order[: EXAMPLES + 1000])
    some = np.random.default_rng(1).permutation(10_000)[:1000]  # the file is sorted by class
    test = samples.decoded(samples.SHARED / "cifar10/test.parquet", some)
    return Setting(
        "cifar10-2000",
        halved(train.take(np.arange(EXAMPLES))),
        halved(train.take(np.arange(EXAMPLES, len(train)))),
        halved(test),
        replace(samples.recipe_on_cifar10("resnet20"), size=SIDE),
        Training(epochs=15, batch_size=64, learning_rate=0.1, precision="fp32"),
        shadows=0,
        forgotten=200,
    )


def halved(examples: Examples) -> Examples:
    """Give pictures of half the side, each pixel the mean of four."""
    n, channels, high, wide = examples.images.shape
    cut = np.asarray(examples.images).reshape(n, channels, high // 2, 2, wide // 2, 2)
    return replace(examples, images=cut.mean((3, 5)).round().astype(np.uint8))


def ground(data: str) -> Setting:
    """Give a ground by its name."""
    known = {"digits": digits, "cifar10": cifar10}
    if data not in known:
        raise UsageError(f"--data: got {data!r}, expected one of {', '.join(known)}")
    return known[data]()
