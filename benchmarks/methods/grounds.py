"""Where unlearning methods are compared: data, forget sets, and the networks on both sides.

A ground has the data of benchmarks.samples, or all of CIFAR-10. Its networks (originals, retrained
models, one shadow bank) are kept in a folder of its name; `jobs` trains what is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np

from benchmarks import samples
from benchmarks.methods import families, full_cifar, trials
from benchmarks.methods.published_training import PublishedTraining
from benchmarks.methods.trials import TrialName
from benchmarks.presets import SOURCES
from benchmarks.recipe.study import NOW, by_recipe
from unlearning.bank.files import bank_complete
from unlearning.bank.shadows import BankPlan, build_bank
from unlearning.domain import BoolArray, Examples, Split, TextArray
from unlearning.errors import UsageError

CACHE = samples.ROOT / "artifacts" / "benchmarks"

CIFAR10_SHADOWS = 8
"""Half of what benchmarks.samples has: means over a forget set of 1,000 need no more."""

Count = Callable[[int, int], None]
"""Called with (done, total)."""


@dataclass(frozen=True, eq=False)
class Ground:
    """One data set with its forget sets.

    forgets: mask over the training examples, (n,). alike: mask over the holdout or the test
    examples that are of the class or sub-class that a trial forgets; all False for random examples.
    published: how its networks are trained, if not by the setting's own training. sources: whose
    settings are run on it unless others are asked for.
    """

    setting: samples.Setting
    tasks: tuple[str, ...]
    forgets: Callable[[TrialName], BoolArray]
    alike: Callable[[TrialName, str], BoolArray]
    published: PublishedTraining | None = None
    sources: tuple[str, ...] = SOURCES

    def split(self, trial: TrialName) -> Split:
        """Give a trial's split.

        Where a class or sub-class is forgotten, only holdout examples of it can be compared with:
        others would tell the class, not the membership.
        """
        mask, alike, of = self.forgets(trial), self.alike(trial, "holdout"), self.setting
        holdout = of.holdout.take(alike) if alike.any() else of.holdout
        parts = of.train.take(mask), of.train.take(~mask), holdout, of.test
        return Split(*parts, of.recipe.classes)

    def plan(self) -> BankPlan:
        """Give the plan of its shadow bank."""
        return plan_of(self.setting)


def plan_of(setting: samples.Setting) -> BankPlan:
    """Give the plan of a setting's shadow bank."""
    return BankPlan(
        data_version=f"benchmark-{setting.name}",
        recipe=setting.recipe,
        training=setting.training,
        shadows=setting.shadows,
        seed=0,
    )


def _part(setting: samples.Setting, name: str) -> Examples:
    return {"train": setting.train, "holdout": setting.holdout, "test": setting.test}[name]


def _of_class(setting: samples.Setting, trial: TrialName, part: str) -> BoolArray:
    labels = _part(setting, part).labels
    if trial.task != "class":
        return np.zeros(len(labels), dtype=bool)
    return np.asarray(labels == trials.CLASS[trial.tuning])


def digits() -> Ground:
    """Give digits: 10 people of 12 images, or the class of threes, out of 1,100; conv net."""
    setting = samples.digits()

    def forgets(trial: TrialName) -> BoolArray:
        if trial.task == "class":
            return _of_class(setting, trial, "train")
        return np.isin(setting.train.subjects, _forgotten_people(setting, trial))

    return Ground(
        setting, ("random", "class"), forgets, lambda trial, part: _of_class(setting, trial, part)
    )


HELD = 2.0
"""What the layers of `digits-held` are held to: with 1 its network learns nothing."""


def digits_held() -> Ground:
    """Give digits with layers that are held to a bound in all trainings, shadows' included."""
    whole = digits()
    training = replace(whole.setting.training, lipschitz=HELD)
    held = replace(whole.setting, name="digits-held", training=training, shadows=8)
    return replace(whole, setting=held)


def digits_of(family: str) -> Ground:
    """Give digits with a network of another family, by its name in `families`."""
    whole = digits()
    recipe = replace(whole.setting.recipe, network=families.named(family))
    setting = replace(whole.setting, name=f"digits-{family}", recipe=recipe, shadows=16)
    return replace(whole, setting=setting)


def _forgotten_people(setting: samples.Setting, trial: TrialName) -> TextArray:
    """Give a seed's people; those of tuning are drawn from whom no evaluation forgets."""
    if not trial.tuning:
        return np.unique(samples.split_of(setting, trial.seed).forget.subjects)
    evaluated = [samples.split_of(setting, seed).forget.subjects for seed in range(trials.SEEDS)]
    others = np.setdiff1d(setting.train.subjects, np.concatenate(evaluated))
    rng = np.random.default_rng(trial.seed)
    return np.asarray(rng.choice(others, setting.forgotten, replace=False))


def cifar10() -> Ground:
    """Give CIFAR-10's 10,000 examples with ResNet-20, and the forget sets of `trials`."""
    setting = replace(trials.setting(), shadows=CIFAR10_SHADOWS)

    def alike(trial: TrialName, part: str) -> BoolArray:
        if trial.task == "subclass":
            return np.asarray(_kinds(part) == trials.SUBCLASS[trial.tuning])
        return _of_class(setting, trial, part)

    return Ground(setting, trials.TASKS, trials.forgets, alike)


def cifar10_fitted() -> Ground:
    """Give the same examples with the network and training that generalise well (recipe)."""
    whole = cifar10()
    setting = by_recipe(whole.setting, NOW)
    return replace(whole, setting=replace(setting, name="cifar10-fitted"))


def cifar10_medium() -> Ground:
    """Give the same examples with the network of the gates' operating table, which over-fits."""
    return replace(cifar10(), setting=samples.cifar10_medium())


@cache
def _kinds(part: str) -> np.ndarray:
    """Sub-classes of samples.cifar10's holdout or test examples, in its order."""
    import pyarrow.parquet as pq

    source = "test" if part == "test" else "train"
    table = pq.read_table(samples.SHARED / f"cifar10/{source}.parquet", columns=["subclass"])
    kinds = np.array(table["subclass"].to_pylist(), dtype=np.str_)
    if part == "test":
        return kinds[np.random.default_rng(1).permutation(10_000)[:5_000]]
    return kinds[np.random.default_rng(0).permutation(50_000)[10_000:15_000]]


def cifar10_full() -> Ground:
    """Give all of CIFAR-10 with ResNet-18, trained as SFR-on trains."""
    return _full(full_cifar.setting("cifar10-full", full_cifar.RECIPE), PublishedTraining())


def cifar10_full_amun() -> Ground:
    """Give the same, trained as AMUN trains: in steps, and on pixels that nothing normalises."""
    recipe = replace(full_cifar.RECIPE, mean=(0.0,) * 3, std=(1.0,) * 3)
    setting = full_cifar.setting("cifar10-full-amun", recipe)
    return _full(setting, PublishedTraining(schedule="steps"))


def _full(setting: samples.Setting, training: PublishedTraining) -> Ground:
    def nothing(trial: TrialName, part: str) -> BoolArray:
        return np.zeros(len(_part(setting, part)), dtype=bool)

    return Ground(setting, ("random",), full_cifar.forgets, nothing, training, ("published",))


GROUNDS: dict[str, Callable[[], Ground]] = {
    "digits": digits,
    "digits-held": digits_held,
    "digits-vgg": partial(digits_of, "vgg"),
    "digits-densenet": partial(digits_of, "densenet"),
    "cifar10": cifar10,
    "cifar10-fitted": cifar10_fitted,
    "cifar10-conv-medium": cifar10_medium,
    "cifar10-full": cifar10_full,
    "cifar10-full-amun": cifar10_full_amun,
}


@cache
def ground(data: str, examples: int | None = None, epochs: int | None = None) -> Ground:
    """Give a ground, once a process.

    examples keeps only the first so many training examples; epochs trains for fewer, where the
    training is a published one. Either gives the ground a name of its own.
    """
    if data not in GROUNDS:
        raise UsageError(f"data {data!r} is unknown; known are {', '.join(sorted(GROUNDS))}")
    return _shorter(_smaller(GROUNDS[data](), examples), epochs)


def _smaller(whole: Ground, examples: int | None) -> Ground:
    setting, n = whole.setting, len(whole.setting.train)
    if examples is None or examples == n:
        return whole
    if not 0 < examples < n:
        raise UsageError(f"--examples: got {examples}, expected 1 to {n} for {setting.name}")
    fewer = setting.train.take(np.arange(examples))
    setting = replace(setting, name=f"{setting.name}-{examples}", train=fewer)
    return replace(whole, setting=setting, forgets=lambda trial: whole.forgets(trial)[:examples])


def _shorter(whole: Ground, epochs: int | None) -> Ground:
    if epochs is None:
        return whole
    if whole.published is None:
        raise UsageError(
            f"--epochs: {whole.setting.name} has a training of its own, got {epochs}; expected "
            "a ground that is trained as published, such as cifar10-full"
        )
    setting = replace(whole.setting, name=f"{whole.setting.name}-{epochs}-epochs")
    return replace(whole, setting=setting, published=replace(whole.published, epochs=epochs))


@dataclass(frozen=True)
class Choice:
    """Which ground is asked for: its name, and fewer examples or epochs than it has."""

    data: str
    examples: int | None = None
    epochs: int | None = None

    @property
    def ground(self) -> Ground:
        """Give the ground, loaded once a process."""
        return ground(self.data, self.examples, self.epochs)


def bank_of(setting: samples.Setting, folder: Path, workers: int, progress: Count) -> Path:
    """Build a setting's bank unless it is there, and give its folder."""
    plan = plan_of(setting)
    if not bank_complete(folder / plan.key):
        parts = setting.train, setting.holdout, setting.test
        build_bank(plan, parts, folder, workers=workers, progress=progress)
    return folder / plan.key
