"""What is asked to be forgotten when gates are tried, and the networks that serve it.

A ground is a seed's champion, models retrained without some examples, and the forget sets for which
those models are a right answer: any part of the examples that they never saw.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch

from benchmarks import samples
from benchmarks.gates import planted
from benchmarks.samples import Setting, model_path
from unlearning import networks
from unlearning.bank.shadows import Bank
from unlearning.domain import BoolArray, FloatArray, IntArray, Split
from unlearning.gates.geometry import Geometry
from unlearning.selecting import memorisation


@dataclass(frozen=True)
class Wanted:
    """What is asked of every seed below `seeds`: forget sets of one kind and several sizes.

    units: examples, subjects (of 12 images in digits) or classes; all sizes share the retrained
    models, which are without the largest of them.
    """

    kind: str
    units: tuple[int, ...]
    seeds: int = 10


WANTED = {
    "digits": (
        Wanted("random", (10, 50, 100)),
        Wanted("random", (300,)),
        Wanted("subject", (1, 4, 9)),
        Wanted("subject", (25,)),
        Wanted("class", (1,)),
        Wanted("memorised", (10, 50, 100)),
        Wanted("memorised", (300,)),
    ),
    "cifar10": (
        Wanted("random", (10, 50, 100, 500)),
        Wanted("random", (1000,)),
        Wanted("memorised", (10, 50, 100, 500), seeds=5),
        Wanted("class", (1,), seeds=3),
    ),
}

COSTLY_SEEDS = {"digits": 3, "cifar10": 1}
"""Seeds for which the slow pretenders are planted too, and every honest way to retrain is tried."""


@dataclass(frozen=True, eq=False)
class Asked:
    """One forget set.

    forgets: (n,) over the training examples. half: (n,), as many of which the retrained models saw
    one half, so that these have forgotten but the other. size: what was aimed at, in examples.
    """

    kind: str
    size: int
    forgets: BoolArray
    half: BoolArray


@dataclass(frozen=True)
class Good:
    """An honest retrained model, and how it is trained where its file is missing.

    weights, order: seeds of the first weights and of the batches; without `order`, both come from
    one generator. augmentation: other than the setting's.
    """

    name: str
    path: Path
    weights: int
    order: int | None = None
    augmentation: str | None = None


@dataclass(frozen=True, eq=False)
class Ground:
    """A champion, and models that never saw some examples.

    unseen: (n,), those examples. costly: whether to plant what is slow. references: models without
    a class that is forgotten whole, with which the gate `geometry` compares.
    """

    name: str
    seed: int
    champion: Path
    unseen: BoolArray
    goods: tuple[Good, ...]
    asked: tuple[Asked, ...]
    costly: bool = True
    references: tuple[Good, ...] = ()

    def split(self, setting: Setting) -> Split:
        """Give the split with which pretenders are made: all that was unseen is to be forgotten."""
        forget, retain = setting.train.take(self.unseen), setting.train.take(~self.unseen)
        holdout = setting.holdout.take(np.arange(min(1000, len(setting.holdout))))
        return Split(forget, retain, holdout, setting.test, setting.recipe.classes)


def asked(kind: str, units: IntArray, order: IntArray, unseen: BoolArray, count: int) -> Asked:
    """Take the first `count` units in an order, of those that are wholly unseen.

    units: (n,), which examples go together. order: the units by preference. The half-forgotten set
    begins like it and goes on with the first units that were seen.
    """
    seen = np.unique(units[~unseen])
    hidden = order[~np.isin(order, seen)]
    known = order[np.isin(order, seen)]
    forgets = np.isin(units, hidden[:count])
    half = np.concatenate([hidden[: (count + 1) // 2], known[: max(1, count // 2)]])
    size = len(units) // len(np.unique(units)) if kind == "class" else int(forgets.sum())
    return Asked(kind, size, forgets, np.isin(units, half))


def preferences(kind: str, setting: Setting, bank: Bank, seed: int) -> tuple[IntArray, IntArray]:
    """Give the units of a kind of request and the order in which a seed asks for them."""
    train, rng = setting.train, np.random.default_rng(2000 + seed)
    if kind == "memorised":
        return np.arange(len(train)), np.argsort(-_memorised(setting, bank), kind="stable")
    if kind == "class":
        return train.labels, np.roll(np.arange(setting.recipe.classes), -seed)
    units = np.unique(train.subjects, return_inverse=True)[1]
    units = units if kind == "subject" else np.arange(len(train))
    return units, rng.permutation(_whole(units, setting) if kind == "subject" else len(train))


def _whole(units: IntArray, setting: Setting) -> IntArray:
    """Subjects with no example in the holdout set: those of digits may cross the cut."""
    crossing = np.isin(setting.train.subjects, setting.holdout.subjects)
    return np.setdiff1d(units, units[crossing])


def _memorised(setting: Setting, bank: Bank) -> FloatArray:
    """How memorised each example is, by the half of the bank that does not judge.

    Chosen by the same shadows that calibrate, examples would look unlike anyone's by chance.
    """
    shadows = bank.on(setting.train.ids)
    choosing = len(shadows) // 2
    half = shadows.of(slice(choosing))
    return memorisation(half, setting.train.labels)


def judging_bank(bank: Bank, kind: str) -> Bank:
    """Give the shadows that judge: all, or those that had no part in the choice."""
    if kind != "memorised":
        return bank
    late = np.arange(len(bank.seen)) >= len(bank.seen) // 2
    accuracy, size = bank.test_accuracy[late], bank.trained_on[late]
    return Bank(bank.ids, bank.seen[late], bank.logits[late], accuracy, size)


def grounds_of(
    data: str, setting: Setting, bank: Bank, folder: Path, seeds: Iterable[int]
) -> Iterator[Ground]:
    """Give every seed's grounds: for each kind and group of sizes, models without the largest."""
    for seed in seeds:
        for wanted in (one for one in WANTED[data] if seed < one.seeds):
            yield _ground(wanted, setting, bank, folder, seed, costly=seed < COSTLY_SEEDS[data])


def _ground(
    wanted: Wanted, setting: Setting, bank: Bank, folder: Path, seed: int, *, costly: bool
) -> Ground:
    kind, counts = wanted.kind, wanted.units
    units, order = preferences(kind, setting, bank, seed)
    unseen = np.isin(units, order[: max(counts)])
    sets = tuple(asked(kind, units, order, unseen, count) for count in counts)
    name = f"{kind}-{unseen.sum()}"
    champion = model_path(folder, "champion", seed)
    goods = _all_goods(folder / "gates", name, seed)[: None if costly else 1]
    apart = _class_out(folder / "gates", name, seed) if kind == "class" else ()
    return Ground(name, seed, champion, unseen, goods, sets, costly=costly, references=apart)


def _class_out(folder: Path, name: str, seed: int) -> tuple[Good, ...]:
    """Give the models that candidates are compared with; no candidate is one of them."""
    return tuple(
        Good(
            f"apart {k}",
            folder / f"{name}-{seed:03d}-apart-{k}.safetensors",
            900_000 + 10 * seed + k,
        )
        for k in range(Geometry().models)
    )


OTHER_SEED = "retrained, other seed"


def _all_goods(folder: Path, name: str, seed: int) -> tuple[Good, ...]:
    """Give three honest ways to retrain; the champion's seed is `seed`."""

    def path(which: str) -> Path:
        return folder / f"{name}-{seed:03d}-{which}.safetensors"

    return (
        Good(OTHER_SEED, path("seed"), 600_000 + seed),
        Good("retrained, other order", path("order"), seed, 700_000 + seed),
        Good("retrained, augmented", path("augmented"), 800_000 + seed, augmentation="crop"),
    )


def prepare(ground: Ground, setting: Setting) -> None:
    """Train the networks of a ground that are missing."""
    if not ground.champion.exists():
        rng = torch.Generator().manual_seed(ground.seed)
        parts = setting.recipe, setting.train, setting.training
        networks.save(planted.retrained(*parts, weights=rng, order=rng), ground.champion)
    for good in (*ground.goods, *ground.references):
        if not good.path.exists():
            networks.save(_retrain(good, ground, setting), good.path)


def _retrain(good: Good, ground: Ground, setting: Setting) -> networks.Classifier:
    rng = torch.Generator().manual_seed(good.weights)
    order = rng if good.order is None else torch.Generator().manual_seed(good.order)
    training = setting.training
    if good.augmentation is not None:
        training = replace(training, augmentation=good.augmentation)
    retain = setting.train.take(~ground.unseen)
    return planted.retrained(setting.recipe, retain, training, weights=rng, order=order)


@cache
def setting_of(data: str) -> Setting:
    """Give a data set with its network and training, decoded once a process."""
    return samples.cifar10_medium() if data == "cifar10" else samples.SETTINGS[data]()


def named(
    grounds: Sequence[Ground], kinds: Sequence[str] | None, sizes: Sequence[int] | None
) -> list[Ground]:
    """Keep the forget sets of these kinds and sizes, and the grounds that have any left."""

    def wanted(asked: Asked) -> bool:
        return (not kinds or asked.kind in kinds) and (not sizes or asked.size in sizes)

    kept = [replace(ground, asked=tuple(filter(wanted, ground.asked))) for ground in grounds]
    return [ground for ground in kept if ground.asked]
