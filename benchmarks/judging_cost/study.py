"""What judging one candidate costs, how that grows with examples and shadows, and a bank's cost.

    python -m benchmarks.judging_cost

Random networks and images of CIFAR-10's size: how long it takes does not depend on what they show.
Writes benchmarks/results/judging-cost.json.
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from benchmarks import record, rules, samples
from benchmarks.cost.commands import spread
from benchmarks.cost.throughput import GRID, cases, random_examples, random_trial
from benchmarks.methods.grounds import plan_of
from unlearning import networks
from unlearning.bank.files import shadow_path, write_arrays, write_index
from unlearning.bank.shadows import build_bank, draw_halves, load_bank
from unlearning.contracts import Gate
from unlearning.domain import Decision, Examples, Measurement, Split
from unlearning.judging.doors import opened, sureness
from unlearning.judging.measuring import ATTACK, controls, measure
from unlearning.judging.trial import Trial
from unlearning.judging.verdicts import decide, judge
from unlearning.outputs import outputs_of

T = TypeVar("T")

TRAIN, FORGET, RETAIN, HOLDOUT, TEST, SHADOWS = 10_000, 1_000, 1_000, 5_000, 5_000, 32
"""Sizes of the whole trial; RETAIN is the sample of the retain set that is looked at."""

REPEATS = 3


@dataclass(frozen=True)
class Took:
    """Seconds by the clock on the wall, and by those of all processors that worked."""

    wall: float
    processors: float

    def __add__(self, other: Took) -> Took:
        """Do one after the other."""
        return Took(self.wall + other.wall, self.processors + other.processors)


def timed(work: Callable[[], T], took: dict[str, Took], name: str) -> T:
    """Do some work and note under its name what it took."""
    wall, processors = time.perf_counter(), time.process_time()
    result = work()
    took[name] = Took(time.perf_counter() - wall, time.process_time() - processors)
    return result


def summary(runs: Sequence[Took]) -> dict[str, Any]:
    """Give the spread of both."""
    return {
        "seconds": spread([run.wall for run in runs]),
        "processor_seconds": spread([run.processors for run in runs]),
    }


def decided(
    trial: Trial,
    gates: tuple[Gate, ...],
    took: dict[str, Took],
    known: Mapping[str, Measurement] | None = None,
) -> Decision:
    """Measure and judge a trial; without `known`, its controls too."""
    measured = timed(lambda: measure(trial, ATTACK, known), took, "measuring")
    return timed(lambda: decide(judge(measured, gates), exact=False), took, "gates")


def cached_bank(folder: Path, examples: Examples, rng: np.random.Generator) -> None:
    """Write what a bank leaves behind."""
    seen = draw_halves(examples.subjects, SHADOWS, rng)
    for shadow in range(SHADOWS):
        arrays = {
            "logits": rng.normal(size=(len(examples), 10)).astype(np.float32),
            "seen": seen[shadow].astype(np.uint8),
            "test_accuracy": rng.uniform(0.7, 0.8, 1),
            "trained_on": np.array([TRAIN / 2]),
        }
        write_arrays(shadow_path(folder, shadow), arrays)
    write_index(folder, {"plan": {"shadows": SHADOWS}, "ids": examples.ids.tolist()})


def whole(folder: Path) -> dict[str, Any]:
    """Time each part of judging a candidate of the CIFAR-10 trial, its bank in the file cache.

    The champion answers once for all candidates of a request, and so do its controls: what is done
    once stands apart.
    """
    rng, recipe = np.random.default_rng(0), cases()[0].recipe
    examples = random_examples(TRAIN + HOLDOUT + TEST, recipe, rng)
    train, holdout, test = np.split(np.arange(len(examples)), [TRAIN, TRAIN + HOLDOUT])
    cached_bank(folder, examples.take(np.concatenate([train, holdout])), rng)
    split = Split(
        examples.take(train[:FORGET]),
        examples.take(train[FORGET : FORGET + RETAIN]),
        examples.take(holdout),
        examples.take(test),
        recipe.classes,
    )
    candidate, champion = (networks.build(recipe, torch.Generator().manual_seed(k)) for k in (1, 2))
    once: dict[str, Took] = {}
    before = timed(lambda: outputs_of(champion, split), once, "champion answers, once")
    bank = timed(lambda: load_bank(folder), once, "reading the bank, once")
    untouched = Trial(
        candidate=before,
        champion=before,
        shadows=bank.on(np.concatenate([split.forget.ids, split.holdout.ids])),
        shadow_accuracy=bank.test_accuracy,
        shadow_size=TRAIN / 2,
        train_size=TRAIN,
        gone=split.forgotten_classes,
    )
    known = timed(lambda: controls(untouched, ATTACK), once, "controls, once")
    sure = timed(lambda: sureness(champion, split.retain), once, "how sure the champion is, once")
    runs, gates = [], rules.gates()
    for _ in range(REPEATS):
        took: dict[str, Took] = {}
        after = timed(lambda: outputs_of(candidate, split), took, "candidate answers")
        again = timed(lambda: opened(candidate, split, sure), took, "doors opened")
        trial = dataclasses.replace(untouched, candidate=after, opened=again)
        decided(trial, gates, took, known)
        runs.append({**took, "one candidate": sum(took.values(), Took(0.0, 0.0))})
    parts = {name: summary([run[name] for run in runs]) for name in runs[0]}
    return {**parts, **{name: summary([part]) for name, part in once.items()}}


def bank_of_digits() -> dict[str, Any]:
    """Time building the bank of the benchmarks' digits, by two processes."""
    setting, took = samples.digits(), dict[str, Took]()
    parts = setting.train, setting.holdout, setting.test
    with tempfile.TemporaryDirectory() as folder:
        plan = plan_of(setting)
        timed(
            lambda: build_bank(
                plan, parts, Path(folder), workers=2, progress=lambda done, total: None
            ),
            took,
            "bank",
        )
    return {"shadows": setting.shadows, "workers": 2, "seconds": took["bank"].wall}


def scaling(n: int, shadows: int) -> dict[str, Any]:
    """Time measuring and judging from outputs in memory, all of n examples compared."""
    trial, gates = random_trial(n, shadows, np.random.default_rng(0)), rules.gates()
    runs = []
    for _ in range(REPEATS):
        took: dict[str, Took] = {}
        decided(trial, gates, took)
        runs.append(sum(took.values(), Took(0.0, 0.0)))
    return {"examples": n, "shadows": shadows, **summary(runs)}


def main() -> None:
    """Run the benchmark."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        parts = whole(Path(folder))
    print(parts, flush=True)
    rows = {
        "whole": parts,
        "scaling": [scaling(n, shadows) for n, shadows in GRID],
        "bank of digits": bank_of_digits(),
    }
    settings = {
        "network": "resnet20",
        "train": TRAIN,
        "forget": FORGET,
        "retain_sample": RETAIN,
        "holdout": HOLDOUT,
        "test": TEST,
        "shadows": SHADOWS,
        "threads": torch.get_num_threads(),
        "load_before": round(load, 2),
    }
    print(record.write("judging-cost", settings, rows))
