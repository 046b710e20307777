"""What generators are trained on: digits, styles of digits on a processor; CIFAR-10 on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks import samples
from benchmarks.methods import full_cifar
from unlearning.domain import ByteArray, Examples, Handed, IntArray
from unlearning.errors import UsageError
from unlearning.generation.fitting import Fitting
from unlearning.generation.judge import SMALL
from unlearning.generation.recipe import GeneratorRecipe
from unlearning.generation.recovery import Recovery
from unlearning.generation.sampling import Sampler
from unlearning.training.loop import Training

CLASSES = 10
STYLES = 8


@dataclass(frozen=True, eq=False)
class Ground:
    """One data set: what is forgotten, what generators are made of, and how all is measured.

    methods: settings beside a method's own defaults. pictures, each: drawn of the class to forget,
    and of every other one. digits: those that training and test pictures show, (n,) each, where a
    class is something else.
    """

    name: str
    train: Examples
    test: Examples
    label: int
    recipes: Mapping[str, GeneratorRecipe]
    fittings: Mapping[str, Fitting]
    methods: Mapping[str, Any]
    judge: Training
    judge_network: str
    sampler: Sampler
    recovery: Recovery
    pictures: int
    each: int
    classes: int = CLASSES
    digits: tuple[IntArray, IntArray] | None = None

    def sets(self) -> Handed:
        """Give what methods are handed."""
        own = self.train.labels == self.label
        return Handed(self.train.take(own), self.train.take(~own), self.classes)


def digits() -> Ground:
    """Give scikit-learn's digits, 1,400 to learn and 397 to test the judge; 3 is forgotten."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    order = np.random.default_rng(0).permutation(len(bunch.target))
    images = (bunch.images[order] * 255 / 16).round().astype(np.uint8)[:, None]
    names = np.arange(len(order)).astype(np.str_)
    everything = Examples(images, bunch.target[order].astype(np.int64), names, names)
    facts: dict[str, Any] = {"classes": CLASSES, "channels": 1, "size": 8}
    return Ground(
        "digits",
        everything.take(np.arange(1400)),
        everything.take(np.arange(1400, len(order))),
        label=3,
        recipes={
            "unet": GeneratorRecipe(network="unet", **facts),
            "dit": GeneratorRecipe(network="dit", width=128, depth=4, **facts),
        },
        fittings={"unet": Fitting(steps=400), "dit": Fitting(steps=500)},
        methods={},
        judge=SMALL,
        judge_network="conv-small",
        sampler=Sampler(),
        recovery=Recovery(),
        pictures=100,
        each=30,
    )


def styles() -> Ground:
    """Give MNIST in 8 styles, 2,000 to learn and 1,000 to test; white on purple is forgotten.

    A class is a style: which digit a picture shows is left to chance. UsageError where the shared
    pictures are not.
    """
    train, shown = _styled("train", 2000)
    test, unseen = _styled("test", 1000)
    facts: dict[str, Any] = {"classes": STYLES, "channels": 3, "size": 8}
    return Ground(
        "styles",
        train,
        test,
        label=4,
        recipes={
            "unet": GeneratorRecipe(network="unet", **facts),
            "dit": GeneratorRecipe(network="dit", width=96, depth=3, **facts),
        },
        fittings={
            "unet": Fitting(steps=400, batch_size=32),
            "dit": Fitting(steps=500, batch_size=32),
        },
        methods={"batch_size": 32},
        judge=SMALL,
        judge_network="conv-small",
        sampler=Sampler(),
        recovery=Recovery(shot_steps=(20,), guidances=(1.0, 4.0), batch_size=32),
        pictures=100,
        each=30,
        classes=STYLES,
        digits=(shown, unseen),
    )


def _styled(part: str, count: int) -> tuple[Examples, IntArray]:
    """Draw shared pictures by style, a third as large, (count, 3, 8, 8), and give their digits."""
    path = samples.SHARED / f"coloured_mnist/{part}.parquet"
    if not path.exists():
        raise UsageError(f"styles: {path.name} of coloured_mnist is not in ../shared/data")
    import pyarrow.parquet as pq

    labels = pq.read_table(path, columns=["style_label"])["style_label"].to_numpy()
    rows = np.random.default_rng(0).permutation(len(labels))[:count]
    found = samples.decoded(path, rows)
    small = replace(
        found, images=smaller(np.asarray(found.images)), labels=labels[rows].astype(np.int64)
    )
    return small, found.labels


def smaller(images: ByteArray) -> ByteArray:
    """Give the middle 24 x 24 pixels of pictures (n, channels, 28, 28) as means of 3 x 3."""
    middle = images[:, :, 2:26, 2:26].reshape(*images.shape[:2], 8, 3, 8, 3)
    return np.asarray(middle.mean((3, 5)).round(), np.uint8)


def cifar10() -> Ground:
    """Give all of CIFAR-10 with a U-Net of 64 channels and a DiT; airplanes are forgotten.

    For a GPU. The pictures are the shared ones, or their parts where these are not.
    """
    facts: dict[str, Any] = {"classes": CLASSES, "channels": 3, "size": 32}
    fitting = Fitting(
        steps=25_000,
        batch_size=128,
        learning_rate=2e-4,
        ema=0.9995,
        flips=True,
        precision="bf16",
    )
    return Ground(
        "cifar10",
        full_cifar.examples("train"),
        full_cifar.examples("test"),
        label=0,
        recipes={
            "unet": GeneratorRecipe(
                network="unet", width=64, depth=2, levels=(1, 2, 2, 2), attention=16, **facts
            ),
            "dit": GeneratorRecipe(network="dit", width=256, depth=6, **facts),
        },
        fittings={"unet": fitting, "dit": replace(fitting, learning_rate=3e-4)},
        methods={"steps": 500, "batch_size": 128, "learning_rate": 1e-4},
        judge=Training(epochs=30, batch_size=128, learning_rate=0.2, augmentation="crop_flip"),
        judge_network="resnet20",
        sampler=Sampler(steps=50),
        recovery=Recovery(tuning_steps=500, shot_steps=(100, 500), row_steps=500),
        pictures=1000,
        each=1000,
    )


GROUNDS: Mapping[str, Callable[[], Ground]] = {
    "digits": digits,
    "styles": styles,
    "cifar10": cifar10,
}
