"""What the audits say of models whose right verdict is known, on a class and on a random trial.

    python -m benchmarks.audits

CIFAR-10, ResNet-20, the originals, retrained models and shadow bank of benchmarks.trials, cut to
some examples of each set so that two cores finish it in minutes. Every candidate is compared with
one retrained model; the last candidate is another retrained one, so its row is the null. Writes
benchmarks/results/audits-cifar10.json.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks import judging, record
from benchmarks.trials import TrialName, original_path, retrained_path, setting, split_of
from unlearning import networks
from unlearning.attacks.lira import LiraOffline
from unlearning.audits.alignment import Alignment
from unlearning.audits.collateral import Collateral
from unlearning.audits.deployed import as_deployed
from unlearning.audits.pairs import Pairs
from unlearning.audits.probes import Probes
from unlearning.audits.relearning import Relearning
from unlearning.audits.representation import Representation, representation_of
from unlearning.domain import Examples, Group, IntArray, Measurement, Outputs, Split
from unlearning.gates.deployed import FORMS, marked
from unlearning.measuring import Trial, accuracies, measure
from unlearning.methods.famr import Famr
from unlearning.methods.finetune import FineTune
from unlearning.outputs import outputs_of
from unlearning.shadows import Bank, BankPlan, load_bank
from unlearning.training import silent

TRIALS = (TrialName("class", 0), TrialName("random", 0))
SIZE = 1000
"""Examples of each set that are looked at."""

SHORT = 400
"""Examples of each set that relearning and the deployed forms are measured on."""

METHODS = {
    "head only": Famr(
        head_only=True, target="uniform_retain", epochs=5, learning_rate=2e-3, anchor=0.0
    ),
    "finetune": FineTune(epochs=3, learning_rate=0.05),
}
FINETUNED_ON = 2000
RELEARNING = Relearning(epochs=1, shots=(10,), examples=1000, batch_size=64)


@dataclass(frozen=True, eq=False)
class Models:
    """One trial's networks: the original, a retrained one, and candidates by name."""

    original: nn.Module
    retrained: nn.Module
    candidates: Mapping[str, nn.Module]


def cut(split: Split, size: int) -> Split:
    """Keep up to `size` of each part; half of holdout and test are of the forgotten classes."""
    rng = np.random.default_rng(0)
    forgotten = np.unique(split.forget.labels)
    parts = {
        name: part.take(_drawn(part, forgotten, size, rng))
        for name in ("forget", "retain", "holdout", "test")
        for part in [getattr(split, name)]
    }
    return Split(**parts, classes=split.classes)


def _drawn(part: Examples, forgotten: IntArray, size: int, rng: np.random.Generator) -> IntArray:
    order = rng.permutation(len(part))
    wanted = np.isin(part.labels[order], forgotten)
    first = order[wanted][: size if wanted.all() else size // 2]
    return np.concatenate([first, order[~wanted][: size - len(first)]])


def models_of(trial: TrialName, split: Split, folder: Path) -> Models:
    """Load what was trained and make the candidates."""
    original = networks.load(original_path(folder, trial))
    retrained, again = (networks.load(retrained_path(folder, trial, k)) for k in (0, 1))
    few = dataclasses.replace(split, retain=split.retain.take(np.arange(FINETUNED_ON)))
    made = {
        name: method.unlearn(original, few, torch.Generator().manual_seed(0), silent)
        for name, method in METHODS.items()
    }
    return Models(original, retrained, {"untouched": original, **made, "retrained again": again})


def bank_of(folder: Path) -> Bank:
    """Load the shadow bank of benchmarks.judging."""
    data = setting()
    plan = BankPlan(
        data_version=f"benchmark-{data.name}",
        recipe=data.recipe,
        training=data.training,
        shadows=data.shadows,
        seed=0,
    )
    return load_bank(folder / plan.key)


def audits_of(
    trial: TrialName, folder: Path, bank: Bank
) -> Iterator[tuple[str, str, list[Measurement], float]]:
    """Give candidate, audit, measurements and processor seconds."""
    whole = split_of(trial)
    models, large, small = models_of(trial, whole, folder), cut(whole, SIZE), cut(whole, SHORT)
    original, retrained = (representation_of(n, large) for n in (models.original, models.retrained))
    before = outputs_of(models.original, small)
    for name, network in models.candidates.items():
        candidate = representation_of(network, large)
        work: dict[str, Callable[[], list[Measurement]]] = {
            "accuracy": lambda c=candidate: _accuracies(c.outputs),  # type: ignore[misc]
            "probes": lambda c=candidate: Probes().measure(c, original, [retrained], _rng()),  # type: ignore[misc]
        }
        for audit, run in work.items():
            started = time.process_time()
            yield name, audit, run(), time.process_time() - started


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)
