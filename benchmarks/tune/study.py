"""Settings for every method on the tuning trials, found with the same budget for each.

    python -m benchmarks.tune --data cifar10 --task random --methods finetune

rehearses each task's tuning trial, whose forget set no evaluation sees: an original without a
quarter of the training examples is unlearned, and how far it is from passing the gates of --policy
is measured by that quarter. The best settings go to presets.yaml. --budget counts retrainings'
worth of passes for each method and task. Studies are kept below the models' folder: an interrupted
search goes on, and one with more trials begins with those that it has.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Mapping
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import presets, samples
from benchmarks.methods import trials
from benchmarks.methods.grounds import CACHE, bank_of, ground, plan_of
from benchmarks.methods.trials import TUNING, TrialName
from benchmarks.record import told
from systems.compute.attempting import generator
from systems.compute.search import Yardstick, best, search
from systems.compute.studies import Limits
from systems.settings.policy import load_policy
from unlearning import networks, search_space
from unlearning.bank.shadows import load_bank
from unlearning.domain import Split, joined
from unlearning.errors import AttemptFailed, LetheError
from unlearning.judging.rehearsing import draw_strangers, laid_out, rehearse
from unlearning.judging.verdicts import gates_of
from unlearning.training.loop import train

DATA = ("cifar10", "cifar10-fitted", "digits")
"""Whose tuning trial forgets nobody that an evaluation forgets."""


@dataclass(frozen=True)
class Result:
    """What a study gave. untouched: how far its original is from passing, which forgot nothing."""

    records: list[dict[str, Any]]
    chosen: Mapping[str, Any] | None
    untouched: float


@dataclass(frozen=True)
class Study:
    """One method on one task's tuning trial."""

    data: str
    task: str
    method: str
    limits: Limits
    seed: int
    folder: Path
    policy: Path

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


def split_of(study: Study) -> Split:
    """Lay a study's rehearsal out; strangers are no people that the trial forgets."""
    on, trial = ground(study.data), TrialName(study.task, TUNING)
    train, mask = on.setting.train, on.forgets(trial)
    free = ~mask if study.task == "random" else np.ones(len(mask), dtype=bool)
    strangers = draw_strangers(train, free, study.seed)
    classes = on.setting.recipe.classes
    return laid_out(train, mask & ~strangers, strangers, ~mask & ~strangers, classes)


def original_of(study: Study) -> Path:
    """Give a rehearsal's original, trained without its strangers unless it is there."""
    path = study.folder / f"rehearsed-{study.data}-{study.task}-{study.seed}.safetensors"
    if not path.exists():
        of, split, rng = ground(study.data).setting, split_of(study), generator(study.seed)
        network = networks.build(of.recipe, rng)
        train(network, joined(split.forget, split.retain), of.training, rng)
        networks.save(network, path)
    return path


def yardstick(study: Study) -> Yardstick:
    """Load what a study's candidates are judged on."""
    setting, split, rules = ground(study.data).setting, split_of(study), load_policy(study.policy)
    bank = load_bank(study.folder / plan_of(setting).key)
    gates = gates_of(rules.gates)
    made = rehearse(original_of(study), split, bank, gates, rules.level)
    return Yardstick(made, setting.training.epochs * len(split.retain), study.seed)


def run(study: Study) -> Result:
    """Run a study, or what is left of it; give its trials and the best of them, if any is."""
    torch.set_num_threads(1)
    on = yardstick(study)

    def tell(done: int, total: int, record: Any) -> None:
        print(f"{study.task} {study.method} {done}/{total} {_line(record)}", flush=True)

    records = search(study.method, on, study.storage, study.limits, seed=study.seed, told=tell)
    return Result(records, best(records, on.rehearsed.untouched), on.rehearsed.untouched.value)


def _line(record: dict[str, Any]) -> str:
    far = record["problem"] or f"{record['objective']} by {record['worst']}, {record['effect']}"
    return f"{far}, cost {record['cost']:.2f} {record['seconds']:.0f} s {record['settings']}"


def preset(study: Study, found: Result) -> presets.Preset:
    """Give the entry of presets.yaml for what a study found; AttemptFailed if that is nothing."""
    chosen, records = found.chosen, found.records
    if chosen is None:
        raise AttemptFailed(
            f"none of {len(records)} trials is nearer to passing than the original, "
            f"{found.untouched:.3f}; allow more with --trials"
        )
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
            "worst": chosen["worst"],
            "published": records[0]["objective"],
            "untouched": round(found.untouched, 5),
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
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--budget", type=float, default=7.5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=CACHE, help="where the networks are")
    parser.add_argument("--policy", type=Path, default=samples.ROOT / "policy.yaml")
    args = parser.parse_args()
    limits, folder = Limits(args.trials, args.budget), args.folder / args.data
    tasks = args.task or ground(args.data).tasks
    studies = [
        Study(args.data, task, method, limits, args.seed, folder, args.policy)
        for task in tasks
        for method in args.methods or sorted(search_space.SPACES)
    ]
    bank_of(ground(args.data).setting, folder, args.workers, told)
    for study in {study.task: study for study in studies}.values():
        original_of(study)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(args.workers, spawn, max_tasks_per_child=1) as pool:
        futures = {pool.submit(run, study): study for study in studies}
        for future in as_completed(futures):
            _keep(futures[future], future)


def _keep(study: Study, future: Future[Result]) -> None:
    """Write what a study found; one that failed says why and stops no other."""
    try:
        presets.add(preset(study, future.result()))
    except LetheError as problem:
        print(f"{study.task} {study.method}: {problem}", flush=True)
