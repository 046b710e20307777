"""Is there a tenth of a forget set whose unlearning would do for all of it?

    python -m benchmarks.coreset --cache /some/folder

For classes and for random examples of digits: halves of the forget set are unlearned, their effects
regressed on membership, the strongest tenth is the core-set. Its effect, that of the others, of
random tenths and of one that k-centre takes, by what shows and by what the features hold. Nothing
is told of a demand but what the demand says: unlearning.coresets.deciding. Writes coreset.json.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import record
from benchmarks.coreset.knowledge import (
    SHALLOW,
    Knowledge,
    of_class,
    of_examples,
    part_of,
    rng_of,
)
from benchmarks.methods.grounds import CACHE
from benchmarks.rungs.study import Ground
from unlearning import networks
from unlearning.coresets import choosing, deciding
from unlearning.coresets.deciding import Effects
from unlearning.domain import BoolArray, FloatArray, Split
from unlearning.features import features_of
from unlearning.methods.random_label import RandomLabel
from unlearning.networks import Classifier
from unlearning.training.loop import silent

METHOD = RandomLabel(epochs=4, learning_rate=0.02)
"""How a part is unlearned: about 65 steps on digits."""

CLASSES, RANDOM_SETS = (3, 6, 8), 3
CORE = choosing.CoreSet(share=deciding.SHARE)
TRIALS, CHANCE, SEEDS = 64, 20, 5
"""Halves, random parts, and unlearning seeds of what is compared."""


@dataclass(frozen=True, eq=False)
class Task:
    """What is to be forgotten, and how knowledge of it is measured."""

    name: str
    split: Split
    knows: Mapping[str, Knowledge]
    original: Classifier

    def knowledge(self, part: BoolArray, seed: int) -> dict[str, FloatArray]:
        """Give what is lost of each example asked about when a part is unlearned."""
        some = part_of(self.split, part)
        made = METHOD.unlearn(self.original, some.handed(), rng_of(seed), silent)
        assert isinstance(made, Classifier)
        return {name: self.before[name] - of(made) for name, of in self.knows.items()}

    @cached_property
    def before(self) -> dict[str, FloatArray]:
        """What the original knows."""
        return {name: of(self.original) for name, of in self.knows.items()}


def tasks(ground: Ground) -> Iterator[Task]:
    """Give each forget set: whole classes, then random examples as many."""
    train, original = ground.on.train, networks.load(ground.champion)
    for label in CLASSES:
        split = _split(ground, train.labels == label)
        yield Task(f"class {label}", split, of_class(split, label), original)
    for seed in range(RANDOM_SETS):
        drawn = np.random.default_rng(4_000 + seed).permutation(len(train))[: len(train) // 10]
        split = _split(ground, np.isin(np.arange(len(train)), drawn))
        yield Task(f"random {seed}", split, of_examples(split, ground.bank), original)


def _split(ground: Ground, forgets: BoolArray) -> Split:
    on = ground.on
    parts = on.train.take(forgets), on.train.take(~forgets)
    return Split(*parts, on.holdout, on.test, on.recipe.classes)


def searched(task: Task, rng: np.random.Generator) -> tuple[dict[str, BoolArray], BoolArray]:
    """Give, by each measure, the tenth of the largest influence; and k-centre's."""
    n = len(task.split.forget)
    size = choosing.size_of(n, deciding.SHARE)
    halves = choosing.random_parts(n, n // 2, TRIALS, rng)
    lost = [task.knowledge(half, 500 + trial) for trial, half in enumerate(halves)]
    found = {}
    for name in task.knows:
        effects = np.array([one[name].mean() for one in lost])
        found[name] = CORE.chosen(halves, effects)
    return found, choosing.spread_out(features_of(task.original, task.split.forget), size)


def rows(task: Task) -> Iterator[dict[str, Any]]:
    """Give a row for each measure of knowledge, with the core that was searched by it."""
    rng = np.random.default_rng(7)
    cores, spread = searched(task, rng)
    n = len(task.split.forget)
    chance = choosing.random_parts(n, int(spread.sum()), CHANCE, rng)
    whole = _losses(task, np.ones(n, dtype=bool), SEEDS)
    distant = _losses(task, spread, SEEDS)
    lots = [_losses(task, part, 1) for part in chance]
    for name, core in cores.items():
        found = _effects(
            name,
            core,
            _losses(task, core, SEEDS),
            _losses(task, ~core, SEEDS),
            whole,
            (distant, spread),
            list(zip(lots, chance, strict=True)),
        )
        yield _row(task, name, core, found)


Losses = Sequence[Mapping[str, FloatArray]]


def _losses(task: Task, part: BoolArray, seeds: int) -> Losses:
    return [task.knowledge(part, seed) for seed in range(seeds)]


def _effects(
    name: str,
    core: BoolArray,
    of_core: Losses,
    of_rest: Losses,
    of_whole: Losses,
    spread: tuple[Losses, BoolArray],
    lots: Sequence[tuple[Losses, BoolArray]],
) -> Effects:
    def elsewhere(losses: Losses, part: BoolArray) -> FloatArray:
        return np.array([_not_of(loss[name], part).mean() for loss in losses])

    def on_core(losses: Losses) -> FloatArray:
        return np.array([loss[name][: len(core)][core].mean() for loss in losses])

    return Effects(
        core=elsewhere(of_core, core),
        whole=elsewhere(of_whole, core),
        rest_on_core=on_core(of_rest),
        whole_on_core=on_core(of_whole),
        chance=np.array([elsewhere(losses, part).mean() for losses, part in lots]),
        spread=float(elsewhere(*spread).mean()),
    )


def _not_of(values: FloatArray, part: BoolArray) -> FloatArray:
    """Leave out the examples of a part; what comes after the forget set was never seen."""
    named = np.zeros(len(values), dtype=bool)
    named[: len(part)] = part
    return values[~named]


def _row(task: Task, name: str, core: BoolArray, found: Effects) -> dict[str, Any]:
    n = len(core)
    passes = TRIALS + 1.0  # whatever is unlearned gets as many steps as the whole
    deep = {} if name == SHALLOW else {name: found}
    outcome, reason = deciding.decide(deep, examples=n, core=int(core.sum()), passes=passes)
    share = deciding.ratio_interval(found.core, found.whole)
    spared = deciding.ratio_interval(found.rest_on_core, found.whole_on_core)
    return {
        "task": task.name,
        "knowledge": name,
        "examples": n,
        "core": int(core.sum()),
        "before": round(float(task.before[name].mean()), 4),
        "whole": round(float(found.whole.mean()), 4),
        "share": [share.value, share.low, share.high],
        "spared": [spared.value, spared.low, spared.high],
        "chance": [round(float(np.percentile(found.chance, q)), 4) for q in (5, 50, 95)],
        "spread": round(found.spread, 4),
        "effect": round(float(found.core.mean()), 4),
        "passes": passes,
        "outcome": str(outcome),
        "reason": reason,
    }


def run(args: argparse.Namespace) -> Path:
    """Run the benchmark and give the path of its JSON file."""
    torch.set_num_threads(1)
    ground = Ground("digits-fitted", args.cache, args.workers)
    found = []
    for task in tasks(ground):
        found += list(rows(task))
        print(f"{task.name} done", flush=True)
    settings = {
        "data": "digits-fitted",
        "method": METHOD.name,
        "epochs": METHOD.epochs,
        "trials": TRIALS,
        "chance": CHANCE,
        "seeds": SEEDS,
    }
    return record.write("coreset", settings, found)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="coreset", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--workers", type=int, default=1, help="Processes that train the bank.")
    parser.add_argument("--cache", type=Path, default=CACHE)
    args = parser.parse_args(arguments)
    record.perform("coreset", lambda: run(args))
