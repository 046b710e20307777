"""Ways of training the shadows of a bank on one machine: processes, threads, or stacked as one.

    OMP_WAIT_POLICY=PASSIVE python -m benchmarks.bank_building

Threads that spin while they wait count as work on a busy machine; `lethe` lets none spin. Digits
as in benchmarks.samples, fewer shadows and epochs. Every turn does every way once, in another
order; ratios are of one turn. Writes benchmarks/results/bank-building.json.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks import record
from benchmarks.bank_building.stacked import train_stacked
from benchmarks.cost.commands import spread
from benchmarks.samples import digits
from unlearning.bank.shadow_training import Answers, Job, spread_over_processes, train_shadow
from unlearning.bank.shadows import BankPlan, job_of
from unlearning.outputs import logits_of

SHADOWS, EPOCHS, TURNS = 8, 3, 3

SAME = 1e-4
"""Logits, of the order of 1, that differ by less are the same but for the order of sums."""

Way = Callable[[Job], None]
"""Trains all shadows of a job and throws their answers away."""


def job(epochs: int, rate: float | None = None) -> Job:
    """Give the job of a small bank of digits, at another peak learning rate if one is given."""
    setting = digits()
    training = replace(setting.training, epochs=epochs)
    if rate is not None:
        training = replace(training, learning_rate=rate)
    plan = BankPlan(
        data_version="bench", recipe=setting.recipe, training=training, shadows=SHADOWS, seed=0
    )
    return job_of(plan, (setting.train, setting.holdout, setting.test))


def processes(workers: int, whole: Job) -> None:
    """Train by processes of one thread; two shadows at least, so that there are processes."""
    spread_over_processes(whole, range(len(whole.seen)), _drop, workers=workers)


def one_process(threads: int, whole: Job) -> None:
    """Train one after another in this process."""
    torch.set_num_threads(threads)
    for shadow in range(len(whole.seen)):
        train_shadow(whole, shadow)


def stacked(threads: int, whole: Job) -> None:
    """Train all as one network, and let each answer."""
    torch.set_num_threads(threads)
    for network in train_stacked(whole, range(len(whole.seen))):
        for part in (whole.train, whole.holdout, whole.test):
            logits_of(network, part)


def _drop(shadow: int, answers: Answers) -> None:
    """Keep nothing."""


WAYS: dict[str, Way] = {
    "2 processes of 1 thread": partial(processes, 2),
    "this process, 1 thread": partial(one_process, 1),
    "this process, 2 threads": partial(one_process, 2),
    "stacked, 1 thread": partial(stacked, 1),
}
BASE = "this process, 1 thread"


def processor_seconds() -> float:
    """Give what this process and its finished children have used."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Give wall seconds and processor seconds."""
    wall, used = time.perf_counter(), processor_seconds()
    work()
    return time.perf_counter() - wall, processor_seconds() - used


def furthest(whole: Job) -> float:
    """Give the largest difference of a logit between stacked training and the product's."""
    torch.set_num_threads(1)
    networks = train_stacked(whole, range(len(whole.seen)))
    apart = [
        np.abs(
            logits_of(network, whole.train) - train_shadow(whole, k)["logits"][: len(whole.train)]
        )
        for k, network in enumerate(networks)
    ]
    return float(np.max(apart))


def measured(whole: Job, turns: int) -> dict[str, list[tuple[float, float]]]:
    """Time every way in every turn; the first turn, which warms up, is left out."""
    rng = np.random.default_rng(0)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
    for turn in range(turns + 1):
        for name in rng.permutation(list(WAYS)):
            took = timed(partial(WAYS[name], whole))
            print(turn, name, took, flush=True)
            if turn:
                found[name].append(took)
    return found


def row(name: str, found: dict[str, list[tuple[float, float]]]) -> dict[str, Any]:
    """Sum up one way; ratios are its processor seconds, over those of the base in the same turn."""
    walls, used = zip(*found[name], strict=True)
    pairs = zip(used, [processors for _, processors in found[BASE]], strict=True)
    return {
        "way": name,
        "seconds": spread(list(walls)),
        "processor_seconds": spread(list(used)),
        "shadows_per_second": spread([SHADOWS / wall for wall in walls]),
        "shadows_per_processor_second": spread([SHADOWS / each for each in used]),
        "processor_ratio": spread([ours / base for ours, base in pairs]),
    }


def starting(turns: int) -> dict[str, Any]:
    """Time two workers that start, and train for one epoch what takes next to no time."""
    small, first = job(1), np.arange(8)
    few = replace(
        small,
        train=small.train.take(first),
        holdout=small.holdout.take(first),
        test=small.test.take(first),
        seen=np.ones((2, 16), dtype=bool),
    )
    took: Sequence[tuple[float, float]] = [timed(partial(processes, 2, few)) for _ in range(turns)]
    walls, used = zip(*took, strict=True)
    return {"seconds": spread(list(walls)), "processor_seconds": spread(list(used))}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="bank_building", description=__doc__)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--turns", type=int, default=TURNS)
    args = parser.parse_args()
    load, apart = os.getloadavg()[0], furthest(job(1, 0.01))
    if apart > SAME:
        raise RuntimeError(
            f"stacked training gives other logits, by {apart}; its speed says nothing"
        )
    found = measured(job(args.epochs), args.turns)
    rows = {
        "ways": [row(name, found) for name in WAYS],
        "start_of_2_processes": starting(args.turns),
        "stacked_logits_differ_by_at_most": apart,
    }
    settings = {
        "data": "digits",
        "network": "conv-small",
        "shadows": SHADOWS,
        "epochs": args.epochs,
        "turns": args.turns,
        "base": BASE,
        "load_before": round(load, 2),
        "niceness": os.nice(0),
        "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY"),
    }
    print(record.write("bank-building", settings, rows))
