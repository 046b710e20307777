"""Is there a tenth of a forget set whose unlearning would do for all of it?

    python -m benchmarks.coreset --cache /some/folder
    python -m benchmarks.coreset --causes

For classes and for random examples of digits: halves of the forget set are unlearned, their effects
regressed on membership, the strongest tenth is the core-set. Its effect, that of the others, of
random tenths and of one that k-centre takes, by what shows and by what the features hold. Nothing
is told of a demand but what the demand says: unlearning.coresets.deciding. With --causes: which
examples of the halves are necessary or sufficient, and what retrained models lack. Writes
coreset.json or coreset-causes.json; what is done of each forget set is kept under --cache.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import record
from benchmarks.coreset import causing
from benchmarks.coreset.knowledge import SHALLOW
from benchmarks.coreset.tasks import (
    CORE,
    METHOD,
    SEEDS,
    TRIALS,
    Losses,
    Task,
    halved,
    losses,
    said,
    task_of,
)
from benchmarks.methods.grounds import CACHE
from benchmarks.rungs.study import Ground
from unlearning.coresets import choosing, deciding
from unlearning.coresets.deciding import Effects
from unlearning.domain import BoolArray, FloatArray
from unlearning.features import features_of

NAMES = [*(f"class {label}" for label in (3, 6, 8)), *(f"random {seed}" for seed in range(3))]
"""Whole classes, and as many random examples, which nobody may shrink."""

CHANCE = 20
"""Random parts that a core-set is held against."""


def searched(task: Task, rng: np.random.Generator) -> tuple[dict[str, BoolArray], BoolArray]:
    """Give, by each measure, the tenth of the largest influence; and k-centre's."""
    size = choosing.size_of(len(task.split.forget), deciding.SHARE)
    halves, effects = halved(task, rng)
    found = {name: CORE.chosen(halves, effects[name]) for name in task.knows}
    return found, choosing.spread_out(features_of(task.original, task.split.forget), size)


def rows(task: Task) -> Iterator[dict[str, Any]]:
    """Give a row for each measure of knowledge, with the core that was searched by it."""
    rng = np.random.default_rng(7)
    cores, spread = searched(task, rng)
    n = len(task.split.forget)
    chance = choosing.random_parts(n, int(spread.sum()), CHANCE, rng)
    whole = losses(task, np.ones(n, dtype=bool), SEEDS)
    distant = losses(task, spread, SEEDS)
    lots = [losses(task, part, 1) for part in chance]
    for name, core in cores.items():
        found = _effects(
            name,
            core,
            losses(task, core, SEEDS),
            losses(task, ~core, SEEDS),
            whole,
            (distant, spread),
            list(zip(lots, chance, strict=True)),
        )
        yield _row(task, name, core, found)


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
    outcome, reason = said(task, deep, int(core.sum()), passes)
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
        "outcome": outcome,
        "reason": reason,
    }


def run(args: argparse.Namespace) -> Path:
    """Run the benchmark and give the path of its JSON file."""
    torch.set_num_threads(1)
    ground = Ground("digits-fitted", args.cache, args.workers)
    of, further = (rows, {"chance": CHANCE}) if not args.causes else _of_causes(ground)
    found = []
    kept = ground.folder / ("causes" if args.causes else "cores")
    for name in args.forgotten:
        path = kept / f"{name.replace(' ', '-')}.json"
        found += _kept(path, partial(_rows_of, of, ground, name))
        print(f"{name} done", flush=True)
    settings = {
        "data": "digits-fitted",
        "method": METHOD.name,
        "epochs": METHOD.epochs,
        "trials": TRIALS,
        "seeds": SEEDS,
        **further,
    }
    return record.write("coreset-causes" if args.causes else "coreset", settings, found)


Rows = Callable[[Task], Iterator[dict[str, Any]]]


def _rows_of(of: Rows, ground: Ground, name: str) -> Iterator[dict[str, Any]]:
    return of(task_of(ground, name))


def _kept(path: Path, made: Callable[[], Iterator[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Read a forget set's rows, or make and keep them: a run that was cut off goes on."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(list(made())))
    found: list[dict[str, Any]] = json.loads(path.read_text())
    return found


def _of_causes(ground: Ground) -> tuple[Rows, dict[str, Any]]:
    """Give what asks of a task for causes, and its own settings."""
    training = ground.on.training
    return lambda task: causing.rows(task, training), {"retrains": causing.RETRAINS}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="coreset", description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--causes",
        action="store_true",
        help="Necessity and sufficiency by the halves alone, beside retrained models.",
    )
    parser.add_argument(
        "--forgotten", nargs="+", choices=NAMES, default=NAMES, help="Forget sets to look at."
    )
    parser.add_argument("--workers", type=int, default=1, help="Processes that train the bank.")
    parser.add_argument("--cache", type=Path, default=CACHE)
    args = parser.parse_args(arguments)
    record.perform("coreset", lambda: run(args))
