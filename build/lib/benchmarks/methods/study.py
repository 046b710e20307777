"""Unlearning methods beside retraining: every column of the papers, on the same index sets.

    python -m benchmarks.methods --data digits
    python -m benchmarks.methods --data cifar10 --tasks random class subclass --seeds 3 --workers 2
    python -m benchmarks.methods --data cifar10-full --epochs 60 --seeds 1

From one original for each seed, every preset that suits the task makes a candidate, which is
measured beside the original and two retrained models. Each cell is kept under --cache by its
content, so an interrupted run goes on; so does a training as published. Writes methods-DATA.json to
benchmarks/results, with its table (.md) and its plot (.svg); with some of the tasks, their names
follow DATA.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import multiprocessing
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import torch

from benchmarks import presets, record
from benchmarks.methods import beside, grounds, jobs, plot, tables
from benchmarks.methods.cells import ORIGINAL, OTHER, RETRAINED, Cell, Place, run, stored
from benchmarks.methods.grounds import Choice, Ground
from benchmarks.methods.published_training import record_path
from benchmarks.methods.trials import SEEDS, TrialName, retrained_path
from benchmarks.presets import Preset
from unlearning.errors import UsageError
from unlearning.methods import METHODS
from unlearning.training.loop import pick_device


def named(chosen: Sequence[Preset], names: Sequence[str] | None) -> list[Preset]:
    """Keep the presets of these names or methods; raises UsageError for a name that fits none."""
    if not names:
        return list(chosen)
    kept = [preset for preset in chosen if {preset.name, preset.method} & set(names)]
    known = {name for preset in chosen for name in (preset.name, preset.method)}
    if set(names) - known:
        unknown = sorted(set(names) - known)[0]
        raise UsageError(
            f"--methods: {unknown!r} has no preset; known are {', '.join(sorted(known))}"
        )
    return kept


def wanted(on: Ground, names: Sequence[TrialName], args: argparse.Namespace) -> list[Preset]:
    """Give the presets that are asked for and suit any of these trials."""
    found, network = presets.load(args.presets), on.setting.recipe.network
    tasks = {trial.task for trial in names}
    suiting = [
        p for p in found if any(p.suits(network=network, data=args.data, task=t) for t in tasks)
    ]
    return named(suiting, args.methods)


def cells(
    on: Ground,
    names: Sequence[TrialName],
    chosen: Sequence[Preset],
    folder: Path,
    args: argparse.Namespace,
) -> Iterator[Cell]:
    """Give what is to be measured, trial by trial, once the networks of `folder` are trained."""
    network, sources = on.setting.recipe.network, args.sources or on.sources
    for trial in names:
        yield from (Cell(trial, row) for row in (ORIGINAL, RETRAINED, OTHER))
        of = presets.choose(
            chosen, network=network, data=args.data, task=trial.task, sources=sources
        )
        trained = record_path(retrained_path(folder, trial)).exists()
        # Retraining is no cell of its own where the row `retrained` has what it cost.
        yield from (Cell(trial, p.row, p) for p in of if not (trained and METHODS[p.method].exact))


class Progress:
    """Says how much is done and how long the rest will take, on standard error."""

    def __init__(self, total: int, done: int) -> None:
        """Begin with `done` of `total` already there."""
        self._total, self._already, self._done = total, done, done
        self._began = time.monotonic()
        print(f"{done} of {total} cells are there", file=sys.stderr, flush=True)

    def __call__(self, result: dict[str, Any]) -> None:
        """Tell of one more."""
        self._done += 1
        spent = time.monotonic() - self._began
        left = spent / (self._done - self._already) * (self._total - self._done)
        where = f"{result['task']} {result['seed']} {result['row']}"
        words = f"{self._done}/{self._total} {where}, about {left:.0f} s left"
        print(words, file=sys.stderr, flush=True)


def _work(cell: Cell, place: Place) -> dict[str, Any]:
    torch.set_num_threads(1)
    return run(cell, place)


def measured(todo: Sequence[Cell], place: Place, workers: int) -> list[dict[str, Any]]:
    """Measure all cells, those that are not kept in `workers` processes of one thread each.

    A cell that fails raises only after all others are done and kept. On a GPU, or with one worker,
    it is this process that works.
    """
    missing = [cell for cell in todo if stored(cell, place) is None]
    tell = Progress(len(todo), len(todo) - len(missing))
    if workers < 2 or pick_device().type == "cuda" or len(missing) < 2:
        for cell in missing:
            tell(run(cell, place))
    else:
        _measure_apart(missing, place, workers, tell)
    # Two presets with the same settings share a kept result, each under its own name.
    return [{**run(cell, place), "row": cell.row} for cell in todo]


def _measure_apart(missing: list[Cell], place: Place, workers: int, tell: Progress) -> None:
    spawn = multiprocessing.get_context("spawn")
    failed: list[Future[dict[str, Any]]] = []
    with ProcessPoolExecutor(workers, spawn) as pool:
        futures = {pool.submit(_work, cell, place): cell for cell in missing}
        for future in as_completed(futures):
            problem = future.exception()
            if problem is None:
                tell(future.result())
                continue
            failed.append(future)
            cell = futures[future]
            print(f"{cell.trial} {cell.row} failed: {problem}", file=sys.stderr, flush=True)
    for future in failed:
        future.result()


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="methods", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", choices=sorted(grounds.GROUNDS), default="digits")
    parser.add_argument("--examples", type=int, help="only the first so many training examples")
    parser.add_argument("--epochs", type=int, help="fewer than published, where training is so")
    parser.add_argument("--tasks", nargs="+", help="of random, class, subclass; default: all")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--methods", nargs="+", help="names of presets or of methods; default: all")
    parser.add_argument("--presets", type=Path, default=presets.PRESETS)
    parser.add_argument(
        "--sources",
        nargs="+",
        choices=presets.SOURCES,
        help="whose settings are run; default: all, and those published where training is as well",
    )
    parser.add_argument("--name", help="of the result; default: methods, data and tasks")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=grounds.CACHE)
    return parser.parse_args(arguments)


def trials_of(on: Ground, tasks: Sequence[str] | None, seeds: int) -> list[TrialName]:
    """Give the trials that are evaluated, all tasks of a seed together."""
    unknown = sorted(set(tasks or ()) - set(on.tasks))
    if unknown:
        raise UsageError(f"--tasks: got {unknown[0]!r}, expected some of {', '.join(on.tasks)}")
    if not 0 < seeds <= SEEDS:
        raise UsageError(
            f"--seeds: got {seeds}, expected 1 to {SEEDS}; the tenth original is for tuning"
        )
    return [TrialName(task, seed) for seed in range(seeds) for task in tasks or on.tasks]


def compare(args: argparse.Namespace) -> Path:
    """Run the comparison and give the path of its JSON file."""
    choice = Choice(args.data, args.examples, args.epochs)
    on = choice.ground
    names = trials_of(on, args.tasks, args.seeds)
    chosen = wanted(on, names, args)
    folder = args.cache / on.setting.name
    bank = jobs.prepare(choice, names, folder, args.workers, record.told)
    todo = list(cells(on, names, chosen, folder, args))
    place = Place(choice, folder, bank)
    results = measured(todo, place, args.workers)
    return _write(on, args, todo, results, bank)


def _write(
    on: Ground,
    args: argparse.Namespace,
    todo: Sequence[Cell],
    results: list[dict[str, Any]],
    bank: Path | None,
) -> Path:
    rows = tables.table(results)
    name = args.name or "-".join(("methods", on.setting.name, *_some(on, args.tasks)))
    first = on.split(todo[0].trial)
    settings = {
        "data": args.data,
        "seeds": args.seeds,
        "workers": args.workers,
        "train": len(on.setting.train),
        "holdout": len(on.setting.holdout),
        "test": len(on.setting.test),
        "forgotten": _forgotten(on, todo),
        "classes": first.classes,
        "shadows": on.setting.shadows,
        "training": dataclasses.asdict(on.published or on.setting.training),
        "recipe": dataclasses.asdict(on.setting.recipe),
        "presets": {c.row: dataclasses.asdict(c.preset) for c in todo if c.preset is not None},
    }
    page = tables.page(name, settings, rows)
    found = {"table": rows, "cells": results}
    if on.published is not None:
        papers = beside.trained_as(args.data)
        found["demands"] = beside.demands(papers, rows)
        page += beside.page(papers, rows, on.published.epochs)
    path = record.write(name, settings, _rounded(found))
    print(page)
    path.with_suffix(".md").write_text(page)
    if bank is not None:
        plot.draw(rows, path.with_suffix(".svg"))
    return path


def _some(on: Ground, tasks: Sequence[str] | None) -> Sequence[str]:
    """Give the tasks that are asked for, nothing where that is all of them."""
    return () if set(tasks or on.tasks) == set(on.tasks) else tasks or ()


def _forgotten(on: Ground, todo: Sequence[Cell]) -> dict[str, list[int]]:
    """Count each task's forgotten examples, seed by seed."""
    trials = list(dict.fromkeys(cell.trial for cell in todo))
    tasks = dict.fromkeys(trial.task for trial in trials)
    return {k: [int(on.forgets(t).sum()) for t in trials if t.task == k] for k in tasks}


def _rounded(value: Any) -> Any:
    """Keep six decimals: more says nothing and fills the repository."""
    return json.loads(json.dumps(value), parse_float=lambda text: round(float(text), 6))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    args = options(arguments)
    record.perform("methods", lambda: compare(args))
