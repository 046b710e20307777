"""What judging one candidate costs, and how that grows with examples and shadows.

    python -m benchmarks.judging_cost

Random networks and images of CIFAR-10's size: how long it takes does not depend on what they show.
Writes benchmarks/results/judging-cost.json.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import yaml

from benchmarks import record
from benchmarks.commands import spread
from benchmarks.judging import ROOT
from benchmarks.throughput import GRID, cases, random_examples, random_trial
from unlearning import networks
from unlearning.attacks.lira import LiraOffline
from unlearning.contracts import Gate
from unlearning.domain import Decision, Examples, Split
from unlearning.judging import decide, gates_of, judge
from unlearning.measuring import Trial, measure
from unlearning.outputs import outputs_of
from unlearning.shadows import draw_halves, load_bank, shadow_path, write_arrays, write_index

T = TypeVar("T")

TRAIN, FORGET, RETAIN, HOLDOUT, TEST, SHADOWS = 10_000, 1_000, 1_000, 5_000, 5_000, 32
"""Sizes of the whole trial; RETAIN is the sample of the retain set that is looked at."""

REPEATS = 3


def timed(work: Callable[[], T], seconds: dict[str, float], name: str) -> T:
    """Do some work and add what it took, on the wall's clock, under its name."""
    began = time.perf_counter()
    result = work()
    seconds[name] = time.perf_counter() - began
    return result


def policy_gates() -> tuple[Gate, ...]:
    """Give the gates that a new workspace has."""
    return gates_of(yaml.safe_load((ROOT / "policy.yaml").read_text())["gates"])


def decided(trial: Trial, gates: tuple[Gate, ...], seconds: dict[str, float]) -> Decision:
    """Measure and judge a trial."""
    measured = timed(lambda: measure(trial, LiraOffline()), seconds, "measuring")
    return timed(lambda: decide(judge(measured, gates), exact=False), seconds, "gates")


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

    The champion answers once for all candidates of a request, so it stands apart.
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
    runs, gates = [], policy_gates()
    for _ in range(REPEATS):
        seconds: dict[str, float] = {}
        before = timed(lambda: outputs_of(champion, split), seconds, "champion answers")
        bank = timed(lambda: load_bank(folder), seconds, "reading the bank")
        after = timed(lambda: outputs_of(candidate, split), seconds, "candidate answers")
        trial = Trial(
            candidate=after,
            champion=before,
            shadows=bank.on(np.concatenate([split.forget.ids, split.holdout.ids])),
            shadow_accuracy=bank.test_accuracy,
            shadow_size=TRAIN / 2,
            train_size=TRAIN,
        )
        decided(trial, gates, seconds)
        seconds["one candidate"] = sum(seconds.values()) - seconds["champion answers"]
        runs.append(seconds)
    return {name: spread([run[name] for run in runs]) for name in runs[0]}


def scaling(n: int, shadows: int) -> dict[str, Any]:
    """Time measuring and judging from outputs in memory, all of n examples compared."""
    trial, gates = random_trial(n, shadows, np.random.default_rng(0)), policy_gates()
    runs: list[float] = []
    for _ in range(REPEATS):
        seconds: dict[str, float] = {}
        decided(trial, gates, seconds)
        runs.append(sum(seconds.values()))
    return {"examples": n, "shadows": shadows, "seconds": spread(runs)}


def main() -> None:
    """Run the benchmark."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        parts = whole(Path(folder))
    print(parts, flush=True)
    rows = {"whole": parts, "scaling": [scaling(n, shadows) for n, shadows in GRID]}
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


if __name__ == "__main__":
    main()
