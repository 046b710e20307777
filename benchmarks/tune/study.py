"""Settings for every method on the tuning trials, found with the same budget for each.

    python -m benchmarks.tune --data cifar10 --task random --methods finetune --trials 8 --budget 2

searches on the tuning trial of each task, whose original and forget set no evaluation sees, and
writes the best settings to presets.yaml. --budget counts retrainings' worth of passes for each
method and task. Studies are kept below the models' folder: an interrupted search goes on, and one
with more trials begins with those that it has.
"""

from __future__ import annotations

import argparse
import multiprocessing
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks import presets
from benchmarks.methods import trials
from benchmarks.methods.grounds import CACHE, Choice, ground
from benchmarks.methods.jobs import Job, train_missing
from benchmarks.methods.trials import TUNING, TrialName
from benchmarks.record import told
from systems.compute.search import Limits, Yardstick, best, compared, finished, search
from unlearning import networks, search_space
from unlearning.errors import LetheError
from unlearning.outputs import outputs_of

DATA = ("cifar10", "digits")
"""Whose tuning trial forgets nobody that an evaluation forgets."""


@dataclass(frozen=True)
class Study:
    """One method on one task's tuning trial."""

    data: str
    task: str
    method: str
    limits: Limits
    seed: int
    folder: Path

    @property
    def storage(self) -> Path:
        """Where its trials are kept."""
        return self.folder / "tuning" / f"{self.task}-{self.method}-{self.seed}.jsonl"

    @property
    def command(self) -> str:
        """What finds the same again."""
        words = f"--data {self.data} --task {self.task} --methods {self.method}"
        limits = f"--trials {self.limits.trials} --budget {self.limits.budget:g}"
        return f"python -m benchmarks.tune {words} {limits} --seed {self.seed}"


def yardstick(study: Study) -> Yardstick:
    """Load a study's tuning trial: its original, its split, its retrained model's outputs."""
    on, trial = ground(study.data), TrialName(study.task, TUNING)
    split = on.split(trial)
    retrained = networks.load(trials.retrained_path(study.folder, trial))
    return Yardstick(
        original=networks.load(trials.original_path(study.folder, trial)),
        split=split,
        retrained=outputs_of(retrained, compared(split)),
        retraining=on.setting.training.epochs * len(split.retain),
        seed=study.seed,
    )


def run(study: Study) -> list[dict[str, Any]]:
    """Run a study, or what is left of it, and give its trials."""
    torch.set_num_threads(1)

    def tell(done: int, total: int, record: Any) -> None:
        print(f"{study.task} {study.method} {done}/{total} {_line(record)}", flush=True)

    return finished(study.method, study.storage, study.limits) or search(
        study.method,
        yardstick(study),
        study.storage,
        study.limits,
        seed=study.seed,
        told=tell,
    )


def _line(record: dict[str, Any]) -> str:
    found = record["objective"] if record["gaps"] else record["diverged"]
    return f"{found} cost {record['cost']:.2f} {record['seconds']:.0f} s {record['settings']}"


def preset(study: Study, records: list[dict[str, Any]]) -> presets.Preset:
    """Give the entry of presets.yaml for what a study found."""
    chosen = best(records)
    spent = sum(float(record["cost"]) for record in records)
    return presets.Preset(
        name=study.method,
        method=study.method,
        network=ground(study.data).setting.recipe.network,
        data=study.data,
        task=study.task,
        settings=chosen["settings"],
        access=search_space.space_of(study.method).reads,
        source="tuned",
        found=f"best of {len(records)} trials, {spent:.2f} retrainings' worth of passes",
        command=study.command,
        result={
            "objective": chosen["objective"],
            "published": records[0]["objective"],
            **{f"{name}_gap": round(gap, 4) for name, gap in chosen["gaps"].items()},
            "cost": round(chosen["cost"], 3),
        },
    )


def main() -> None:
    """Run the studies and write what they find."""
    parser = argparse.ArgumentParser(prog="tune", description=__doc__.splitlines()[0])
    parser.add_argument("--data", choices=DATA, default="cifar10")
    parser.add_argument("--task", nargs="+", choices=trials.TASKS, help="default: all")
    parser.add_argument(
        "--methods", nargs="+", choices=sorted(search_space.SPACES), metavar="METHOD"
    )
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--budget", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=CACHE, help="where the networks are")
    args = parser.parse_args()
    limits, folder = Limits(args.trials, args.budget), args.folder / args.data
    tasks = args.task or ground(args.data).tasks
    studies = [
        Study(args.data, task, method, limits, args.seed, folder)
        for task in tasks
        for method in args.methods or sorted(search_space.SPACES)
    ]
    needed = [Job(TrialName(task, TUNING), again) for task in tasks for again in (None, 0)]
    train_missing(Choice(args.data), needed, folder, args.workers, told)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(args.workers, spawn, max_tasks_per_child=1) as pool:
        futures = {pool.submit(run, study): study for study in studies}
        for future in as_completed(futures):
            _keep(futures[future], future)


def _keep(study: Study, future: Future[list[dict[str, Any]]]) -> None:
    """Write what a study found; one that failed says why and stops no other."""
    try:
        presets.add(preset(study, future.result()))
    except LetheError as problem:
        print(f"{study.task} {study.method}: {problem}", flush=True)
