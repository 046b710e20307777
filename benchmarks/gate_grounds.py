"""What is asked to be forgotten when gates are tried, and the networks that serve it.

A ground is a seed's champion, models retrained without some examples, and the forget sets for which
those models are a right answer: any part of the examples that they never saw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch

from benchmarks import judging, planted, trials
from benchmarks.judging import Setting, model_path
from benchmarks.trials import TrialName
from unlearning import networks
from unlearning.domain import BoolArray, FloatArray, IntArray, ShadowOutputs, Split
from unlearning.selecting import memorisation
from unlearning.shadows import Bank

DIGITS_SIZES = ((10, 50, 100), (300,))
"""Each group of sizes shares its retrained models, which are without the largest of them."""

DIGITS_PEOPLE = ((1, 4, 9), (25,))
"""Whole subjects of 12 images: 12, 48, 108 and 300 examples."""

CIFAR10_SIZES = (10, 50, 100, 500)


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

    unseen: (n,), those examples. costly: whether to plant what is slow.
    """

    name: str
    seed: int
    champion: Path
    unseen: BoolArray
    goods: tuple[Good, ...]
    asked: tuple[Asked, ...]
    costly: bool = True

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
    return Asked(kind, int(forgets.sum()), forgets, np.isin(units, half))


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
    """Subjects with no example in the holdout set: those of judging's digits may cross the cut."""
    crossing = np.isin(setting.train.subjects, setting.holdout.subjects)
    return np.setdiff1d(units, units[crossing])


def _memorised(setting: Setting, bank: Bank) -> FloatArray:
    """How memorised each example is, by the half of the bank that does not judge.

    Chosen by the same shadows that calibrate, examples would look unlike anyone's by chance.
    """
    shadows = bank.on(setting.train.ids)
    choosing = len(shadows) // 2
    half = ShadowOutputs(shadows.logits[:choosing], shadows.seen[:choosing])
    return memorisation(half, setting.train.labels)


def judging_bank(bank: Bank, kind: str) -> Bank:
    """Give the shadows that judge: all, or those that had no part in the choice."""
    if kind != "memorised":
        return bank
    late = np.arange(len(bank.seen)) >= len(bank.seen) // 2
    accuracy, size = bank.test_accuracy[late], bank.trained_on[late]
    return Bank(bank.ids, bank.seen[late], bank.logits[late], accuracy, size)


def digits(setting: Setting, bank: Bank, folder: Path, seeds: int) -> Iterator[Ground]:
    """Give random examples, whole people, a class and the most memorised, up to 300 examples."""
    wanted = [
        *(("random", sizes) for sizes in DIGITS_SIZES),
        *(("subject", people) for people in DIGITS_PEOPLE),
        ("class", (1,)),
        *(("memorised", sizes) for sizes in DIGITS_SIZES),
    ]
    for seed in range(seeds):
        for kind, counts in wanted:
            units, order = preferences(kind, setting, bank, seed)
            unseen = np.isin(units, order[: max(counts)])
            sets = tuple(asked(kind, units, order, unseen, count) for count in counts)
            name = f"{kind}-{unseen.sum()}"
            champion = model_path(folder, "champion", seed)
            goods = _all_goods(folder / "gates", name, seed)
            yield Ground(name, seed, champion, unseen, goods, sets)


def cifar10(setting: Setting, bank: Bank, folder: Path, seeds: int) -> Iterator[Ground]:
    """Give parts of 500 random examples, then trials' 1,000 random ones and the class of cats.

    The models of benchmarks.judging serve any part of the 500, those of benchmarks.trials theirs.
    Slow pretenders and other ways of retraining are planted for the first three seeds.
    """
    for seed in range(seeds):
        forgotten = judging.split_of(setting, seed).forget.ids
        unseen = np.isin(setting.train.ids, forgotten)
        sets = []
        for kind, counts in (("random", CIFAR10_SIZES), ("memorised", CIFAR10_SIZES[:-1])):
            units, order = preferences(kind, setting, bank, seed)
            sets += [asked(kind, units, order, unseen, count) for count in counts]
        goods = [Good(OTHER_SEED, model_path(folder, "retrained", seed), seed + 500_000)]
        if seed < 3:
            goods += _all_goods(folder / "gates", "random-500", seed)[1:]
        champion = model_path(folder, "champion", seed)
        yield Ground(
            "random-500", seed, champion, unseen, tuple(goods), tuple(sets), costly=seed < 3
        )
    for task in ("random", "class"):
        yield from (_trial(setting, bank, folder, TrialName(task, s)) for s in range(min(3, seeds)))


def _trial(setting: Setting, bank: Bank, folder: Path, trial: TrialName) -> Ground:
    unseen = trials.forgets(trial)
    units, order = preferences(trial.task, setting, bank, trial.seed)
    sets = (asked(trial.task, units, order, unseen, len(np.unique(units[unseen]))),)
    goods = tuple(
        Good(OTHER_SEED, trials.retrained_path(folder, trial, k), 900_000 + trial.seed * 10 + k)
        for k in range(2)
    )
    champion, name = trials.original_path(folder, trial), f"{trial.task}-{unseen.sum()}"
    return Ground(name, trial.seed, champion, unseen, goods, sets, costly=False)


GROUNDS: dict[str, Callable[[Setting, Bank, Path, int], Iterator[Ground]]] = {
    "digits": digits,
    "cifar10": cifar10,
}

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
    for good in ground.goods:
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
    """Give a data set, decoded once a process."""
    return trials.setting() if data == "cifar10" else judging.SETTINGS[data]()


def named(
    grounds: Sequence[Ground], kinds: Sequence[str] | None, sizes: Sequence[int] | None
) -> list[Ground]:
    """Keep the forget sets of these kinds and sizes, and the grounds that have any left."""

    def wanted(asked: Asked) -> bool:
        return (not kinds or asked.kind in kinds) and (not sizes or asked.size in sizes)

    kept = [replace(ground, asked=tuple(filter(wanted, ground.asked))) for ground in grounds]
    return [ground for ground in kept if ground.asked]
