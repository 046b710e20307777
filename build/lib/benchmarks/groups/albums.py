"""Pictures of which it is known who goes with whom: a style, a sub-class, an alphabet, a light."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from benchmarks.samples import SHARED
from unlearning.domain import BoolArray, Examples, TextArray
from unlearning.networks import Recipe
from unlearning.training.loop import Training


@dataclass(frozen=True, eq=False)
class Album:
    """Training and holdout examples, the group of each training example, and how one trains.

    groups: (n,) over `train`; asked: those that are forgotten whole, one after the other.
    """

    name: str
    train: Examples
    holdout: Examples
    groups: TextArray
    asked: Sequence[str]
    recipe: Recipe
    training: Training

    def sets(self, rng: np.random.Generator) -> dict[str, BoolArray]:
        """Give what is asked to be forgotten, (n,) each: groups, and a random draw of as many."""
        found = {group: self.groups == group for group in self.asked}
        people = np.unique(self.train.subjects)
        for group, forgets in list(found.items()):
            count = len(np.unique(self.train.subjects[forgets]))
            drawn = rng.choice(people, count, replace=False)
            found[f"as many as {group}, at random"] = np.isin(self.train.subjects, drawn)
        return found


TRAINED, STRANGERS = 3000, 1500


def _read(
    folder: str, size: int, label: str, *columns: str
) -> tuple[np.ndarray, np.ndarray, dict[str, TextArray]]:
    import pyarrow.parquet as pq

    names = ["image", label, *columns]
    table = pq.read_table(SHARED / folder / "train.parquet", columns=list(dict.fromkeys(names)))
    order = np.random.default_rng(0).permutation(len(table))[: TRAINED + STRANGERS]
    table = table.take(order)
    pictures = [Image.open(io.BytesIO(b)).convert("RGB") for b in table["image"].to_pylist()]
    pixels = [p.resize((size, size), Image.Resampling.BOX) for p in pictures]
    images = np.stack([np.asarray(p).transpose(2, 0, 1) for p in pixels])
    named = {name: np.array(table[name].to_pylist(), dtype=np.str_) for name in columns}
    return images, table[label].to_numpy().astype(np.int64), named


def _album(
    name: str,
    images: np.ndarray,
    labels: np.ndarray,
    people: np.ndarray,
    groups: TextArray,
    asked: Sequence[str],
    epochs: int,
) -> Album:
    """Cut pictures into training and holdout examples, whole people each."""
    everybody = np.unique(people)
    rng = np.random.default_rng(1)
    trained = rng.permutation(everybody)[: len(everybody) * 2 // 3]
    ids = np.arange(len(images)).astype(np.str_)
    found = Examples(images, labels, ids, people.astype(np.str_))
    known = np.isin(people, trained)
    recipe = Recipe(
        network="conv-small",
        classes=int(labels.max()) + 1,
        channels=3,
        size=images.shape[-1],
        mean=(0.47,) * 3,
        std=(0.25,) * 3,
    )
    training = Training(epochs=epochs, batch_size=64, learning_rate=0.1, precision="fp32")
    return Album(
        name, found.take(known), found.take(~known), groups[known], asked, recipe, training
    )


def styles() -> Album:
    """Give MNIST in 8 inks: all of two of them are forgotten; a label is a digit."""
    images, labels, named = _read("coloured_mnist", 14, "label", "style")
    some = np.unique(named["style"])[[1, 4]].tolist()
    people = np.arange(len(images))
    return _album("style of coloured MNIST", images, labels, people, named["style"], some, 8)


def subclasses() -> Album:
    """Give CIFAR-10, of which the largest sub-classes are forgotten; a label is a class."""
    images, labels, named = _read("cifar10", 16, "label", "subclass")
    names, counts = np.unique(named["subclass"], return_counts=True)
    some = names[np.argsort(-counts)][:3].tolist()
    people = np.arange(len(images))
    return _album("sub-class of CIFAR-10", images, labels, people, named["subclass"], some, 12)


def drawers() -> Album:
    """Give Omniglot's drawers, labelled by alphabet: half of an alphabet's are forgotten."""
    images, labels, named = _read("omniglot", 20, "alphabet_label", "subject_id", "alphabet")
    alphabets, drawer = named["alphabet"], named["subject_id"]
    first = np.array([int(who[-2:]) <= 8 for who in drawer])
    halves = np.where(first, alphabets, "others")
    return _album(
        "drawers of one alphabet",
        images,
        labels,
        drawer,
        halves,
        np.unique(alphabets)[:3].tolist(),
        12,
    )


def sessions() -> Album:
    """Give CIFAR-10 as if ten pictures were a person's and ten people photographed in a row.

    Each row of people has a light of its own, a smooth field over the picture.
    """
    images, labels, _ = _read("cifar10", 16, "label")
    people, rng = np.arange(len(images)) // 10, np.random.default_rng(2)
    row = rng.permutation(people.max() + 1)[people] // 20
    light = rng.normal(size=(row.max() + 1, 3, 2, 2)) * 60
    fields = np.stack([_smooth(one, images.shape[-1]) for one in light])
    lit = np.clip(images + fields[row], 0, 255).astype(np.uint8)
    rows = np.char.add("row ", row.astype(np.str_))
    return _album("people in a row", lit, labels, people, rows, ["row 0", "row 1", "row 2"], 15)


def _smooth(corners: np.ndarray, size: int) -> np.ndarray:
    """Spread four corners' values (channels, 2, 2) over a picture, linearly."""
    along = np.linspace(0, 1, size)
    ends = np.stack([1 - along, along])
    return np.asarray(np.einsum("cij,ix,jy->cxy", corners, ends, ends))


ALBUMS: dict[str, Callable[[], Album]] = {
    "styles": styles,
    "subclasses": subclasses,
    "drawers": drawers,
    "rows": sessions,
}
