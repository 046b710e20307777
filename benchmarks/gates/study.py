"""What the gates say of planted candidates: pretenders, and honest retrained models.

    python -m benchmarks.gates --data digits --seeds 10
    python -m benchmarks.gates --data cifar10 --seeds 1
    python -m benchmarks.gates --data cifar10 --seeds 4 --first 1

Forget sets of several kinds and sizes, each with every candidate of the module `candidates`, are
judged by the policy's gates and by the usual one (attack AUC <= .55, accuracy drop <= 1 point).
Networks, their answers and each judged forget set are kept under --cache by their content, so that
an interrupted run goes on. Writes gates-DATA.json and gates-DATA.md to benchmarks/results, from
another first seed on gates-DATA-from-SEED, whose counts the page adds.
"""

from __future__ import annotations

import argparse
import dataclasses
import multiprocessing
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from benchmarks import record, samples
from benchmarks.gates import tables
from benchmarks.gates.cells import judged
from benchmarks.gates.grounds import WANTED, Ground, grounds_of, named, setting_of
from benchmarks.gates.scenes import Place, bank_of
from benchmarks.gates.tables import Row
from benchmarks.methods import grounds
from unlearning.errors import UsageError
from unlearning.gates.forgetting import Forgetting
from unlearning.judging.verdicts import gates_of
from unlearning.statistics.power import assumed, false_pass
from unlearning.statistics.simulation import Case
from unlearning.training.loop import pick_device

RUNS = 300
"""Simulated runs of the ladder for each line of `ladder`."""


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="gates", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", choices=sorted(WANTED), default="digits")
    parser.add_argument("--seeds", type=int, default=10, help="the last one and one")
    parser.add_argument("--first", type=int, default=0, help="seed, by which results are named")
    parser.add_argument("--kinds", nargs="+", help="random, subject, class, memorised; default all")
    parser.add_argument("--sizes", nargs="+", type=int, help="only forget sets of so many examples")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--policy", type=Path, default=samples.ROOT / "policy.yaml")
    parser.add_argument("--cache", type=Path, default=grounds.CACHE)
    return parser.parse_args(arguments)


def wanted(args: argparse.Namespace, bank: Path) -> list[Ground]:
    """Give the grounds, with the forget sets of the kinds and sizes that are asked for."""
    setting = setting_of(args.data)
    folder = args.cache / setting.name
    seeds = range(args.first, args.seeds)
    found = list(grounds_of(args.data, setting, bank_of(bank), folder, seeds))
    kept = named(found, args.kinds, args.sizes)
    if not kept:
        if not found:
            raise UsageError(f"--first: got {args.first}, expected less than --seeds, {args.seeds}")
        have = sorted({f"{a.kind} {a.size}" for ground in found for a in ground.asked})
        raise UsageError(f"--kinds, --sizes: got none that there is; expected of {', '.join(have)}")
    return kept


def _work(ground: Ground, place: Place) -> list[Row]:
    torch.set_num_threads(1)
    return judged(ground, place)


def all_judged(found: Sequence[Ground], place: Place, workers: int) -> list[Row]:
    """Judge all grounds, in `workers` processes of one thread each."""
    began, rows = time.monotonic(), []
    for done, part in enumerate(_each(found, place, workers), 1):
        rows += part
        left = (time.monotonic() - began) / done * (len(found) - done)
        ground = found[done - 1]
        words = f"{done}/{len(found)} {ground.name} seed {ground.seed}, about {left:.0f} s left"
        print(words, file=sys.stderr, flush=True)
    return rows


def _each(found: Sequence[Ground], place: Place, workers: int) -> Iterator[list[Row]]:
    if workers < 2 or pick_device().type == "cuda":
        yield from (judged(ground, place) for ground in found)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, spawn) as pool:
        yield from pool.map(_work, found, [place] * len(found))


def ladder(policy: Path, sizes: Iterable[tuple[int, int, int]]) -> list[dict[str, Any]]:
    """Simulate how often a run's attempts pass a candidate that is at a limit, or beyond it.

    sizes: forget examples, comparable holdout examples, shadows. The rule is in
    unlearning.statistics.power.
    """
    rules = yaml.safe_load(policy.read_text())
    gate = next(g for g in gates_of(rules["gates"]) if isinstance(g, Forgetting))
    return [line for size in sizes for line in _attempts(gate, int(rules["attempts"]), *size)]


def _attempts(
    gate: Forgetting, attempts: int, examples: int, holdout: int, shadows: int
) -> Iterator[dict[str, Any]]:
    case = Case(examples=examples, subjects=examples, holdout=holdout, holdout_subjects=holdout)
    known, (limit, _) = assumed(case, shadows), gate.limit_for(examples, holdout)
    for auc in (limit.auc, limit.auc + 0.02):
        for shared in (0.0, 0.5):
            found = false_pass(
                case,
                known,
                gate,
                np.random.default_rng(0),
                auc=auc,
                attempts=attempts,
                shared=shared,
                runs=RUNS,
            )
            yield {
                "examples": examples,
                "holdout": holdout,
                "limit": limit.auc,
                "true AUC": round(auc, 2),
                "correlation": shared,
                "passed after attempt": [round(float(x), 4) for x in found],
            }


def compact(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Give each row without its bounds, which the table has in the mean."""
    kept = ("kind", "size", "seed", "candidate", "decision", "usual", "reasons")
    return [{name: getattr(row, name) for name in kept} for row in rows]


def run(args: argparse.Namespace) -> Path:
    """Run the benchmark and give the path of its JSON file."""
    setting = setting_of(args.data)
    folder = args.cache / setting.name
    bank = grounds.bank_of(setting, folder, args.workers, record.told)
    found = wanted(args, bank)
    place = Place(args.data, folder, bank, args.policy)
    rows = all_judged(found, place, args.workers)
    name = f"gates-{args.data}" + (f"-from-{args.first}" if args.first else "")
    settings = {
        "data": args.data,
        "seeds": args.seeds,
        "first": args.first,
        "train": len(setting.train),
        "holdout": len(setting.holdout),
        "test": len(setting.test),
        "shadows": setting.shadows,
        "policy": yaml.safe_load(args.policy.read_text())["gates"],
        "training": dataclasses.asdict(setting.training),
        "recipe": dataclasses.asdict(setting.recipe),
    }
    sizes = [(size, len(setting.holdout), setting.shadows) for size in (100, 500)]
    result = {
        "table": tables.table(rows),
        "candidates": tables.by_candidate(rows),
        "doors": tables.by_door(rows),
        "demands": [demand.as_json() for demand in tables.demands(rows)],
        "ladder": ladder(args.policy, sizes),
        "cells": compact(rows),
    }
    path, page = record.write(name, settings, result), tables.page(rows)
    path.with_suffix(".md").write_text(page)
    print(page)
    return path


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    args = options(arguments)
    record.perform("gates", lambda: run(args))
