"""Which share of retraining's passes is released: of `shrink_distil`, and of labels alone.

    python -m benchmarks.shrink

Digits, 25 people of 12 images forgotten, forget sets of one champion and one bank. The control
trains fresh weights on the retain set's labels for as many passes: what it reaches needs no method.
Writes shrink-digits.json.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import yaml

from benchmarks import record, samples
from benchmarks.methods.grounds import CACHE
from benchmarks.samples import Setting
from unlearning import networks
from unlearning.bank.shadows import Bank, BankPlan, build_bank, load_bank
from unlearning.contracts import Gate, Method
from unlearning.domain import Split
from unlearning.judging.candidates import basis_of, judge_candidate
from unlearning.judging.verdicts import gates_of
from unlearning.methods.retrain import Retrain
from unlearning.methods.shrink_distil import ShrinkDistil
from unlearning.outputs import accuracy, logits_of
from unlearning.statistics.intervals import LEVEL
from unlearning.training.loop import silent, train

SHARES = (0.05, 0.1, 0.2, 0.3, 0.5)
PEOPLE, SEEDS = 25, 5
DISTIL, LABELS, RETRAINED = "shrink_distil", "labels alone", "retrained"


def methods(on: Setting) -> Iterator[tuple[str, float, Method]]:
    """Give each method at each share of retraining's passes, and retraining itself."""
    whole = on.training.epochs
    for share in SHARES:
        epochs = max(1, round(share * whole - 1 / 3))  # a third of a pass for the teacher's answers
        yield DISTIL, share, ShrinkDistil(epochs=epochs, precision="fp32")
        shorter = replace(on.training, epochs=max(1, round(share * whole)))
        yield LABELS, share, Retrain(training=shorter)
    yield RETRAINED, 1.0, Retrain(training=on.training)


def judged(on: Setting, folder: Path) -> Iterator[dict[str, Any]]:
    """Judge every candidate as an approximate one, whatever its method is."""
    champion, bank = _champion(on, folder), _bank(on, folder)
    for seed in range(SEEDS):
        split = samples.split_of(on, seed)
        basis = basis_of(champion, split, bank)
        for name, share, method in methods(on):
            rng = torch.Generator().manual_seed(seed)
            made = method.unlearn(networks.load(champion), split.handed(), rng, silent)
            assert isinstance(made, networks.Classifier)
            networks.save(made, folder / "candidate.safetensors")
            found, _ = judge_candidate(
                folder / "candidate.safetensors", basis, _gates(), level=LEVEL, exact=False
            )
            yield {
                "seed": seed,
                "method": name,
                "share": share,
                "passes": _share(method, on, split),
                "decision": str(found.decision),
                "auc": round(found.measured["forget_auc"].value, 4),
                "accuracy": round(accuracy(logits_of(made, on.test), on.test.labels), 4),
                "gates": {v.gate: [str(v.outcome), v.reason] for v in found.verdicts},
            }


def _share(method: Method, on: Setting, split: Split) -> float:
    sizes = len(split.forget), len(split.retain)
    return round(method.passes(*sizes) / (on.training.epochs * sizes[1]), 4)


def _champion(on: Setting, folder: Path) -> Path:
    path = folder / "champion.safetensors"
    if not path.exists():
        rng = torch.Generator().manual_seed(0)
        made = train(networks.build(on.recipe, rng), on.train, on.training, rng)
        assert isinstance(made, networks.Classifier)
        networks.save(made, path)
    return path


def _bank(on: Setting, folder: Path) -> Bank:
    plan = BankPlan(
        data_version="bench",
        recipe=on.recipe,
        training=on.training,
        shadows=on.shadows,
        seed=0,
    )
    parts = (on.train, on.holdout, on.test)
    return load_bank(build_bank(plan, parts, folder, workers=1, progress=record.told))


def _gates() -> tuple[Gate, ...]:
    rules = dict(yaml.safe_load((samples.ROOT / "policy.yaml").read_text())["gates"])
    rules.pop("geometry")  # no class is forgotten whole
    return gates_of(rules)


def run(args: argparse.Namespace) -> Path:
    """Run the benchmark and give the path of its JSON file."""
    torch.set_num_threads(1)
    folder = args.cache / "shrink"
    folder.mkdir(parents=True, exist_ok=True)
    on = replace(samples.digits(), forgotten=PEOPLE)
    settings = {
        "data": on.name,
        "forgotten": PEOPLE,
        "seeds": SEEDS,
        "epochs": on.training.epochs,
        "shadows": on.shadows,
        "shrink": ShrinkDistil().shrink,
        "noise": ShrinkDistil().noise,
    }
    return record.write("shrink-digits", settings, list(judged(on, folder)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="shrink", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cache", type=Path, default=CACHE)
    args = parser.parse_args(arguments)
    record.perform("shrink", lambda: run(args))
