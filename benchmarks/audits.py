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
from collections.abc import Callable, Mapping, Sequence
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
from unlearning.domain import Examples, Group, IntArray, Measurement, Split
from unlearning.gates.deployed import FORMS, marked
from unlearning.measuring import Trial, measure, select
from unlearning.methods.famr import Famr
from unlearning.methods.finetune import FineTune
from unlearning.outputs import outputs_of
from unlearning.shadows import Bank, BankPlan, load_bank
from unlearning.statistics import clopper_pearson
from unlearning.training import silent

TRIALS = (TrialName("class", 0), TrialName("random", 0))
SIZE = 1000
"""Examples of each set that are looked at."""

HOLDOUT = 3000
"""Holdout examples, from which probes of a class are learned."""

SHORT = 400
"""Examples of each set that relearning and the deployed forms are measured on."""

METHODS: Mapping[str, Famr | FineTune] = {
    "head only": Famr(
        head_only=True, target="uniform_retain", epochs=5, learning_rate=2e-3, anchor=0.0
    ),
    "finetune": FineTune(epochs=3, learning_rate=0.05),
}
FINETUNED_ON = 2000
RELEARNING = Relearning(epochs=2, examples=SIZE)


@dataclass(frozen=True, eq=False)
class Model:
    """A network, and what it answers and its layers read on the large cut."""

    network: nn.Module
    seen: Representation


@dataclass(frozen=True, eq=False)
class Ground:
    """What the candidates of a trial are held against. large, small: cuts of its split."""

    large: Split
    small: Split
    original: Model
    retrained: Model
    bank: Bank
    train_size: int


def cut(split: Split, size: int, holdout: int) -> Split:
    """Keep some of each part; up to half of holdout and test are of the forgotten classes."""
    rng, forgotten = np.random.default_rng(0), np.unique(split.forget.labels)

    def some(part: Examples, count: int) -> Examples:
        return part.take(_drawn(part, forgotten, count, rng))

    return Split(
        forget=some(split.forget, size),
        retain=some(split.retain, size),
        holdout=some(split.holdout, holdout),
        test=some(split.test, size),
        classes=split.classes,
    )


def _drawn(part: Examples, forgotten: IntArray, size: int, rng: np.random.Generator) -> IntArray:
    order = rng.permutation(len(part))
    wanted = np.isin(part.labels[order], forgotten)
    first = order[wanted][: size if wanted.all() else size // 2]
    return np.concatenate([first, order[~wanted][: size - len(first)]])


def accuracy(ground: Ground, model: Model) -> list[Measurement]:
    """Measure the accuracy of each group."""
    outputs, found = model.seen.outputs, []
    right = outputs.logits.argmax(1) == outputs.labels
    for group in Group:
        hits = right[outputs.of(group)]
        share = clopper_pearson(float(hits.sum()), len(hits))
        name = f"accuracy/{group.name.lower()}"
        found.append(Measurement(name, share.value, share.low, share.high, len(hits)))
    return found


def probes(ground: Ground, model: Model) -> list[Measurement]:
    """Probe three depths."""
    return Probes().measure(model.seen, ground.original.seen, [ground.retrained.seen], _rng())


def alignment(ground: Ground, model: Model) -> list[Measurement]:
    """Compare the features at three depths."""
    return Alignment().measure(model.seen, ground.original.seen, [ground.retrained.seen], _rng())


def relearning(ground: Ground, model: Model) -> list[Measurement]:
    """Relearn a little."""
    generator = torch.Generator().manual_seed(0)
    return RELEARNING.measure(model.network, [ground.retrained.network], ground.small, generator)


def pairs(ground: Ground, model: Model) -> list[Measurement]:
    """Attack by the original and the candidate."""
    before, after, honest = (m.seen.outputs for m in (ground.original, model, ground.retrained))
    return Pairs().measure(before, after, [honest])


def collateral(ground: Ground, model: Model) -> list[Measurement]:
    """Attack those who stay."""
    parts = (ground.large.forget, ground.large.retain, ground.large.holdout)
    shadows = ground.bank.on(np.concatenate([part.ids for part in parts]))
    before, after = (
        select(m.seen.outputs, ~m.seen.outputs.of(Group.TEST)) for m in (ground.original, model)
    )
    return Collateral().measure(before, after, shadows, {"stay": before.of(Group.RETAIN)})


def deployed(ground: Ground, model: Model) -> list[Measurement]:
    """Attack and test the rounded forms as the gates do."""
    small, bank = ground.small, ground.bank
    trial = Trial(
        candidate=outputs_of(model.network, small),
        champion=outputs_of(ground.original.network, small),
        shadows=bank.on(np.concatenate([small.forget.ids, small.holdout.ids])),
        shadow_accuracy=bank.test_accuracy,
        shadow_size=float(bank.trained_on.mean()),
        train_size=ground.train_size,
    )
    found = measure(trial, LiraOffline())
    for form in FORMS:
        exported = outputs_of(as_deployed(model.network, form), small)
        in_form = measure(dataclasses.replace(trial, candidate=exported), LiraOffline())
        found |= marked(in_form, form)
    kept = ("forget_auc", "accuracy_drop")
    return [m for name, m in found.items() if name.rpartition("/")[2] in kept]


AUDITS: Mapping[str, Callable[[Ground, Model], list[Measurement]]] = {
    "accuracy": accuracy,
    "probes": probes,
    "alignment": alignment,
    "relearning": relearning,
    "pairs": pairs,
    "collateral": collateral,
    "deployed": deployed,
}


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)


def ground_of(trial: TrialName, folder: Path, bank: Bank) -> Ground:
    """Load what a trial's candidates are held against."""
    whole = split_of(trial)
    large, small = cut(whole, SIZE, HOLDOUT), cut(whole, SHORT, SHORT)
    paths = (original_path(folder, trial), retrained_path(folder, trial, 0))
    original, retrained = (_model(networks.load(path), large) for path in paths)
    return Ground(large, small, original, retrained, bank, len(whole.forget) + len(whole.retain))


def _model(network: nn.Module, split: Split) -> Model:
    return Model(network, representation_of(network, split))


def candidates_of(trial: TrialName, folder: Path, ground: Ground) -> dict[str, nn.Module]:
    """Give the candidates by name: the original itself, made ones, another retrained one."""
    whole = split_of(trial)
    few = dataclasses.replace(whole, retain=whole.retain.take(np.arange(FINETUNED_ON)))
    original = ground.original.network
    made = {
        name: method.unlearn(original, few, torch.Generator().manual_seed(0), silent)
        for name, method in METHODS.items()
    }
    again = networks.load(retrained_path(folder, trial, 1))
    return {"untouched": original, **made, "retrained again": again}


def rows_of(trial: TrialName, folder: Path, bank: Bank) -> list[dict[str, Any]]:
    """Run every audit on every candidate of a trial."""
    ground, rows = ground_of(trial, folder, bank), []
    for name, network in candidates_of(trial, folder, ground).items():
        model = _model(network, ground.large)
        for audit, run in AUDITS.items():
            started = time.process_time()
            measurements = run(ground, model)
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


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    folder = judging.ROOT / "artifacts/benchmarks/cifar10"
    parser.add_argument("--folder", type=Path, default=folder)
    args = parser.parse_args()
    torch.set_num_threads(1)
    bank = bank_of(args.folder)
    rows = [row for trial in TRIALS for row in rows_of(trial, args.folder, bank)]
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


if __name__ == "__main__":
    main()
