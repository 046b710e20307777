"""What the audits say of models whose right verdict is known, on a class and on a random trial.

    python -m benchmarks.audits

CIFAR-10, ResNet-20, the originals, retrained models and shadow bank of benchmarks.methods, cut to
some examples of each set so that two cores finish it in minutes. Every candidate is compared with
one retrained model; the last candidate is another retrained one, so its row is the null. Writes
benchmarks/results/audits-cifar10.json.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks import record
from benchmarks.methods import grounds, jobs
from benchmarks.methods.grounds import Choice
from benchmarks.methods.trials import TrialName, original_path, retrained_path, split_of
from unlearning import networks
from unlearning.audits.running import HOLDOUT, RELEARNING, RUNS, SHORT, SIZE, Ground, ground_of
from unlearning.bank.shadows import Bank, load_bank
from unlearning.domain import Measurement
from unlearning.methods.famr import Famr
from unlearning.methods.finetune import FineTune
from unlearning.training.loop import silent

TRIALS = (TrialName("class", 0), TrialName("random", 0))

AUDITS = ("accuracy", "probes", "alignment", "relearning", "pairs", "collateral", "deployed")
"""Those that one retrained model is enough for."""

METHODS: Mapping[str, Famr | FineTune] = {
    "head only": Famr(
        head_only=True, target="uniform_retain", epochs=5, learning_rate=2e-3, anchor=0.0
    ),
    "finetune": FineTune(epochs=3, learning_rate=0.05),
}
FINETUNED_ON = 2000


def trial_ground(trial: TrialName, folder: Path, bank: Bank) -> Ground:
    """Load what a trial's candidates are held against."""
    paths = (original_path(folder, trial), retrained_path(folder, trial, 0))
    original, retrained = map(networks.load, paths)
    return ground_of(split_of(trial), original, [retrained], bank)


def candidates_of(trial: TrialName, folder: Path, ground: Ground) -> dict[str, nn.Module]:
    """Give the candidates by name: the original itself, made ones, another retrained one."""
    whole = split_of(trial)
    few = dataclasses.replace(whole, retain=whole.retain.take(np.arange(FINETUNED_ON)))
    original = ground.original.network
    made = {
        name: method.unlearn(original, few, torch.Generator().manual_seed(0), silent)
        for name, method in METHODS.items()
    }
    again = networks.load(retrained_path(folder, *trial.other))
    return {"untouched": original, **made, "retrained again": again}


def rows_of(trial: TrialName, folder: Path, bank: Bank) -> list[dict[str, Any]]:
    """Run every audit on every candidate of a trial."""
    ground, rows = trial_ground(trial, folder, bank), []
    for name, network in candidates_of(trial, folder, ground).items():
        model = ground.model(network)
        for audit in AUDITS:
            started = time.process_time()
            measurements = RUNS[audit](ground, model)
            seconds = round(time.process_time() - started, 1)
            rows.append(_row(trial, name, audit, measurements, seconds))
            print(trial, name, audit, f"{seconds} s", *map(_words, measurements), flush=True)
    return rows


def _row(
    trial: TrialName, name: str, audit: str, found: Sequence[Measurement], seconds: float
) -> dict[str, Any]:
    numbers = {m.name: [round(m.value, 4), round(m.low, 4), round(m.high, 4), m.n] for m in found}
    return {
        "trial": str(trial),
        "candidate": name,
        "audit": audit,
        "value, low, high, n": numbers,
        "processor seconds": seconds,
    }


def _words(m: Measurement) -> str:
    return f"\n    {m.name} {m.value:.3f} [{m.low:.3f}, {m.high:.3f}] (n={m.n})"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="audits", description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=grounds.CACHE)
    args = parser.parse_args()
    torch.set_num_threads(1)
    folder = args.cache / "cifar10"
    choice = Choice("cifar10")
    jobs.train_missing(choice, jobs.needed(TRIALS), folder, args.workers, record.told)
    bank = load_bank(grounds.bank_of(choice.ground.setting, folder, args.workers, record.told))
    rows = [row for trial in TRIALS for row in rows_of(trial, folder, bank)]
    settings = {
        "data": "cifar10",
        "examples of each set": SIZE,
        "holdout": HOLDOUT,
        "relearning and deployed": SHORT,
        "shadows": len(bank.seen),
        "methods": {name: dataclasses.asdict(method) for name, method in METHODS.items()},
        "finetuned on": FINETUNED_ON,
        "relearning": dataclasses.asdict(RELEARNING),
    }
    print(record.write("audits-cifar10", settings, rows))
