"""What each rung costs, and what every gate says of it, where much or little is learned by heart.

    python -m benchmarks.rungs --data digits-fitted digits --seeds 5

One champion and one shadow bank for each ground; each seed is another forget set. Everything is
judged as approximate, by policy.yaml with its doors. The control trains fresh weights on the retain
set's labels for as many passes: what it reaches needs no method. What costs more passes than a
retraining is no rung, and left out. Each row is kept under --cache, so
that a run that was cut off, or ended after --minutes, goes on. Writes rungs-GROUND.json.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from benchmarks import presets, record, rules, samples
from benchmarks.methods.grounds import CACHE, bank_of
from benchmarks.rungs.grounds import GROUNDS
from benchmarks.samples import Setting
from unlearning import networks
from unlearning.bank.shadows import Bank, load_bank
from unlearning.contracts import Method
from unlearning.domain import Split
from unlearning.errors import InfrastructureError, LetheError
from unlearning.judging.candidates import Basis, Judged, basis_of, judge_candidate
from unlearning.methods import METHODS
from unlearning.methods.retrain import Retrain
from unlearning.methods.shrink_distil import ShrinkDistil
from unlearning.networks import Classifier
from unlearning.outputs import accuracy, logits_of
from unlearning.search_space import Space, of_length
from unlearning.statistics.intervals import LEVEL
from unlearning.training.loop import Training, silent, train

SHARES = (0.05, 0.1, 0.2, 0.3, 0.5)
UNTOUCHED, LABELS, DISTIL, RETRAINED = "untouched", "labels alone", "shrink_distil", "retrain"
BY_KERNELS = ("conv_transpose", "masked_small_gradients")
"""Tried for as many passes as labels alone, at the rate at which the original was trained."""
DOORS = ("forget_auc", "loss_auc", "memorised_auc", "door/refitted", "door/relearned", "door/moved")
TUNED_FOR = {"digits": "conv-small", "cifar10": "resnet20"}
"""Whose settings are taken, by data: those that benchmarks.tune found, if any; also for others."""


def rungs(on: Setting, data: str, sizes: tuple[int, int]) -> Iterator[tuple[str, Method]]:
    """Give each method, under a name that says how much of retraining it is where that is set.

    sizes: of forget and retain set.
    """
    whole = on.training.epochs
    for share in SHARES:
        shorter = replace(on.training, epochs=max(1, round(share * whole)))
        yield f"{LABELS}, {shorter.epochs} epochs", Retrain(training=shorter)
        epochs = max(1, round(share * whole - 1 / 3))  # a third of a pass for the teacher's answers
        augmentation = on.training.augmentation
        yield (
            f"{DISTIL}, {epochs} epochs",
            ShrinkDistil(epochs=epochs, augmentation=augmentation, precision=on.training.precision),
        )
        most = Retrain(training=shorter).passes(*sizes)
        yield from (_by_kernels(name, on.training, sizes, most) for name in BY_KERNELS)
    chosen = presets.choose(presets.load(), network=TUNED_FOR[data], data=data, task="random")
    tuned = [preset for preset in chosen if preset.source == "tuned"]
    others = [preset for preset in tuned or chosen if not METHODS[preset.method].exact]
    yield from ((preset.row, preset.create(on.training)) for preset in others)
    yield RETRAINED, Retrain(training=on.training)


def _by_kernels(
    name: str, training: Training, sizes: tuple[int, int], most: int
) -> tuple[str, Method]:
    """Give the method that fine-tunes other kernels for at most so many passes, but one epoch."""
    known = dataclasses.asdict(training)
    own = {key: known[key] for key in known if hasattr(METHODS[name], key)}
    epochs = Space({}, longest=training.epochs)
    made = of_length(METHODS.create(name, own), epochs, forget=sizes[0], retain=sizes[1], most=most)
    return f"{name}, {made.epochs} epochs", made


class Ground:
    """A setting with its champion and bank, made where they are not kept yet."""

    def __init__(self, name: str, cache: Path, workers: int) -> None:
        """Load the champion, or train it."""
        self.name, self.on = name, GROUNDS[name]()
        self.folder = cache / "rungs" / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.champion = self.folder / "champion.safetensors"
        if not self.champion.exists():
            rng = torch.Generator().manual_seed(0)
            fresh = networks.build(self.on.recipe, rng)
            networks.save(
                _classifier(train(fresh, self.on.train, self.on.training, rng)), self.champion
            )
        self.workers = workers

    @cached_property
    def bank(self) -> Bank:
        """The shadows of the champion's recipe, trained when they are first asked for."""
        return load_bank(bank_of(self.on, self.folder, self.workers, record.told))

    def split(self, seed: int) -> Split:
        """Give a seed's split."""
        return samples.split_of(self.on, seed)


def rows(ground: Ground, seeds: int, until: float) -> Iterator[dict[str, Any]]:
    """Judge the untouched champion and every rung on each seed's forget set; kept ones are read."""
    # Of a training of few epochs several shares are one.
    first = ground.split(0)
    sizes = len(first.forget), len(first.retain)
    named = dict(rungs(ground.on, ground.name.split("-")[0], sizes))
    for seed in range(seeds):
        split, basis = ground.split(seed), None
        tried = [(name, m) for name, m in named.items() if _passes(ground, split, m) <= 1]
        for name, method in ((UNTOUCHED, None), *tried):
            kept = ground.folder / "rows" / f"{seed}-{name.replace(' ', '-')}.json"
            if not kept.exists():
                _require_time(until)
                basis = basis or basis_of(ground.champion, split, ground.bank)
                kept.parent.mkdir(exist_ok=True)
                row = _row(ground, basis, split, name, method, seed)
                kept.write_text(json.dumps(row))
            yield json.loads(kept.read_text())


def _row(
    ground: Ground, basis: Basis, split: Split, name: str, method: Method | None, seed: int
) -> dict[str, Any]:
    original = networks.load(ground.champion)
    began, spent = time.process_time(), time.perf_counter()
    row = {"seed": seed, "rung": name, "passes": _passes(ground, split, method)}
    try:
        rng = torch.Generator().manual_seed(1_000 + seed)
        made = method.unlearn(original, split.handed(), rng, silent) if method else original
    except LetheError as problem:
        return {**row, "decision": "failed", "error": str(problem)}
    seconds = {
        "seconds": round(time.perf_counter() - spent, 3),
        "processor_seconds": round(time.process_time() - began, 3),
    }
    candidate = ground.folder / "candidate.safetensors"
    networks.save(_classifier(made), candidate)
    asked = rules.gates(whole_classes=False)
    found, _ = judge_candidate(candidate, basis, asked, level=LEVEL, exact=False)
    right = accuracy(logits_of(made, ground.on.test), ground.on.test.labels)
    return {
        **row,
        **seconds,
        "test_accuracy": round(right, 4),
        **_said(found),
    }


def _passes(ground: Ground, split: Split, method: Method | None) -> float:
    """Give passes over examples, relative to a retraining."""
    sizes = len(split.forget), len(split.retain)
    whole = ground.on.training.epochs * sizes[1]
    return 0.0 if method is None else round(method.passes(*sizes) / whole, 4)


def _said(found: Judged) -> dict[str, Any]:
    return {
        "decision": str(found.decision),
        "gates": {v.gate: [str(v.outcome), v.reason] for v in found.verdicts},
        "measured": {
            name: round(found.measured[name].value, 4) for name in DOORS if name in found.measured
        },
    }


def _classifier(network: torch.nn.Module) -> Classifier:
    assert isinstance(network, Classifier)
    return network


def _require_time(until: float) -> None:
    if time.monotonic() > until:
        raise InfrastructureError(
            "rungs: the minutes are over, what was done is kept; give the same command again"
        )


def run(name: str, args: argparse.Namespace, until: float) -> Path:
    """Do one ground and give the path of its JSON file."""
    ground = Ground(name, args.cache, args.workers)
    on, found = ground.on, list(rows(ground, args.seeds, until))
    settings = {
        "data": name,
        "network": on.recipe.network,
        "train": len(on.train),
        "epochs": on.training.epochs,
        "forgotten": len(ground.split(0).forget),
        "seeds": args.seeds,
        "shadows": on.shadows,
        "champion": _champion(ground),
    }
    return record.write(f"rungs-{name}", settings, found)


def _champion(ground: Ground) -> dict[str, float]:
    network = networks.load(ground.champion)
    parts = {"train": ground.on.train, "test": ground.on.test}
    return {k: round(accuracy(logits_of(network, e), e.labels), 4) for k, e in parts.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="rungs", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", nargs="+", choices=sorted(GROUNDS), default=["digits"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=1, help="Processes that train the bank.")
    parser.add_argument("--minutes", type=float, default=1e6, help="End after so many.")
    parser.add_argument("--cache", type=Path, default=CACHE)
    args = parser.parse_args(arguments)
    until = time.monotonic() + 60 * args.minutes
    if not torch.cuda.is_available():
        torch.set_num_threads(1)
    for name in args.data:
        record.perform("rungs", lambda name=name: run(name, args, until))  # type: ignore[misc]
