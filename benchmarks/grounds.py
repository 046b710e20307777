"""Where unlearning methods are compared: data, forget sets, and the networks on both sides.

A ground has the data of benchmarks.judging. Its networks (originals, retrained models, one shadow
bank) are trained when they are missing and kept in a folder of its name.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch

from benchmarks import judging, trials
from benchmarks.trials import TrialName, original_path, retrained_path
from unlearning import networks
from unlearning.domain import BoolArray, Examples, Split
from unlearning.errors import UsageError
from unlearning.shadows import BankPlan, bank_complete, build_bank
from unlearning.training import pick_device, train

CACHE = judging.ROOT / "artifacts" / "benchmarks"

Count = Callable[[int, int], None]
"""Called with (done, total)."""


@dataclass(frozen=True, eq=False)
class Ground:
    """One data set with its forget sets.

    forgets: mask over the training examples, (n,). alike: mask over the holdout or the test
    examples that are of the class or sub-class that a trial forgets; all False for random examples.
    """

    setting: judging.Setting
    tasks: tuple[str, ...]
    forgets: Callable[[TrialName], BoolArray]
    alike: Callable[[TrialName, str], BoolArray]

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
        """Give the plan of its shadow bank, the same as that of benchmarks.judging."""
        return BankPlan(
            data_version=f"benchmark-{self.setting.name}",
            recipe=self.setting.recipe,
            training=self.setting.training,
            shadows=self.setting.shadows,
            seed=0,
        )


def _part(setting: judging.Setting, name: str) -> Examples:
    return {"train": setting.train, "holdout": setting.holdout, "test": setting.test}[name]


def _of_class(setting: judging.Setting, trial: TrialName, part: str) -> BoolArray:
    labels = _part(setting, part).labels
    if trial.task != "class":
        return np.zeros(len(labels), dtype=bool)
    return np.asarray(labels == trials.CLASS[trial.tuning])


def digits() -> Ground:
    """Give digits: 10 people of 12 images, or the class of threes, out of 1,100; conv net."""
    setting = judging.digits()

    def forgets(trial: TrialName) -> BoolArray:
        if trial.task == "class":
            return _of_class(setting, trial, "train")
        forgotten = judging.split_of(setting, trial.seed).forget.ids
        return np.isin(setting.train.ids, forgotten)

    return Ground(
        setting, ("random", "class"), forgets, lambda trial, part: _of_class(setting, trial, part)
    )


def cifar10() -> Ground:
    """Give CIFAR-10's 10,000 examples with ResNet-20, and the forget sets of benchmarks.trials."""
    setting = trials.setting()

    def alike(trial: TrialName, part: str) -> BoolArray:
        if trial.task == "subclass":
            return np.asarray(_kinds(part) == trials.SUBCLASS[trial.tuning])
        return _of_class(setting, trial, part)

    return Ground(setting, trials.TASKS, trials.forgets, alike)


@cache
def _kinds(part: str) -> np.ndarray:
    """Sub-classes of judging.cifar10's holdout or test examples, in its order."""
    import pyarrow.parquet as pq

    source = "test" if part == "test" else "train"
    table = pq.read_table(judging.SHARED / f"cifar10/{source}.parquet", columns=["subclass"])
    kinds = np.array(table["subclass"].to_pylist(), dtype=np.str_)
    if part == "test":
        return kinds[np.random.default_rng(1).permutation(10_000)[:5_000]]
    return kinds[np.random.default_rng(0).permutation(50_000)[10_000:15_000]]


GROUNDS: dict[str, Callable[[], Ground]] = {"digits": digits, "cifar10": cifar10}


@cache
def ground(data: str, examples: int | None = None) -> Ground:
    """Give a ground, once a process; `examples` keeps only the first so many training examples."""
    if data not in GROUNDS:
        raise UsageError(f"data {data!r} is unknown; known are {', '.join(sorted(GROUNDS))}")
    whole = GROUNDS[data]()
    n = len(whole.setting.train)
    if examples is None or examples == n:
        return whole
    if not 0 < examples < n:
        raise UsageError(f"--examples: got {examples}, expected 1 to {n} for {data}")
    fewer = whole.setting.train.take(np.arange(examples))
    setting = dataclasses.replace(whole.setting, name=f"{data}-{examples}", train=fewer)
    return Ground(setting, whole.tasks, lambda t: whole.forgets(t)[:examples], whole.alike)


@dataclass(frozen=True)
class Job:
    """One network to be trained: an original, or a retrained model and which of a trial's."""

    trial: TrialName
    again: int | None

    def path(self, folder: Path) -> Path:
        """Name its file."""
        if self.again is None:
            return original_path(folder, self.trial)
        return retrained_path(folder, self.trial, self.again)

    def run(self, on: Ground, folder: Path) -> Path:
        """Train it, with the seeds of benchmarks.judging and benchmarks.trials."""
        seed = self.trial.original_seed
        if self.again is not None:
            seed = 900_000 + self.trial.seed * 10 + self.again
        rng = torch.Generator().manual_seed(seed)
        examples = on.setting.train if self.again is None else on.split(self.trial).retain
        network = networks.build(on.setting.recipe, rng)
        train(network, examples, on.setting.training, rng)
        networks.save(network, self.path(folder))
        return self.path(folder)


def _train(data: str, examples: int | None, job: Job, folder: Path) -> Path:
    torch.set_num_threads(1)
    return job.run(ground(data, examples), folder)


def needed(names: Iterable[TrialName]) -> list[Job]:
    """Give the networks that trials need: an original each, and two retrained models."""
    jobs = [Job(trial, again) for trial in names for again in (None, 0, 1)]
    return list({job.path(Path()): job for job in jobs}.values())


def prepare(
    data: str,
    examples: int | None,
    names: Iterable[TrialName],
    folder: Path,
    workers: int,
    progress: Count,
) -> Path:
    """Train what is missing of a ground's networks, build its bank, and give the bank's folder."""
    missing = [job for job in needed(names) if not job.path(folder).exists()]
    if workers < 2 or pick_device().type == "cuda":
        for done, job in enumerate(missing, 1):
            job.run(ground(data, examples), folder)
            progress(done, len(missing))
    else:
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, spawn) as pool:
            futures = [pool.submit(_train, data, examples, job, folder) for job in missing]
            for done, future in enumerate(as_completed(futures), 1):
                future.result()
                progress(done, len(missing))
    return bank_of(ground(data, examples), folder, workers, progress)


def bank_of(on: Ground, folder: Path, workers: int, progress: Count) -> Path:
    """Build a ground's bank unless it is there, and give its folder."""
    bank = folder / on.plan().key
    if not bank_complete(bank):
        parts = on.setting.train, on.setting.holdout, on.setting.test
        build_bank(on.plan(), parts, folder, workers=workers, progress=progress)
    return bank
