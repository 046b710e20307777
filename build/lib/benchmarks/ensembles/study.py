"""Ensembles of three, alone and orthogonalised (LOTOS), free and held to a bound, under attack.

    python -m benchmarks.ensembles --data digits
    python -m benchmarks.ensembles --data cifar10

T_rate, and robust accuracy of single members, of the ensemble, and of the ensemble under the attack
on a network that is no member: PGD of 50 steps in pixel space. With --apgd the same once more by
the toolbox of the extra `attacks`. Writes ensembles-DATA.json.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks import record
from benchmarks.lipschitz.grounds import ground
from benchmarks.samples import Setting
from unlearning import networks
from unlearning.ensembles.fitting import train_ensemble
from unlearning.ensembles.lotos import Lotos, layers_of
from unlearning.ensembles.transfer import Attack, Pgd, robustness

MEMBERS = 3
BOUNDS = {"digits": 0.1, "cifar10": 0.02}
"""Largest change of a pixel, 0..1: digits are coarse; photographs of half the size are not."""
HELD = 2.0
WAYS: Sequence[tuple[str, Lotos | None, float | None]] = (
    ("alone", None, None),
    ("LOTOS", Lotos(weight=0.05), None),
    ("LOTOS, ten times", Lotos(weight=0.5), None),
    ("alone", None, HELD),
    ("LOTOS, ten times", Lotos(weight=0.5), HELD),
)
"""Every way of training: its name, the penalty, the bound on layers."""

ATTACKED = 150


def measured(on: Setting, attack: Attack, seeds: int) -> Iterator[dict[str, Any]]:
    """Train and attack one ensemble for every seed and way; the surrogate as its members are."""
    attacked = on.test.take(torch.arange(min(ATTACKED, len(on.test))).numpy())
    for seed in range(seeds):
        surrogates = {bound: _trained(on, seed + 100, None, bound, 1)[0] for bound in (None, HELD)}
        for name, lotos, bound in WAYS:
            began = time.process_time()
            members = _trained(on, seed, lotos, bound, MEMBERS)
            seconds = time.process_time() - began
            yield {
                "seed": seed,
                "way": name,
                "bound": bound,
                "seconds": seconds,
                "overlap": _overlap(members, on),
                **asdict(robustness(members, surrogates[bound], attacked, attack)),
            }


def _trained(
    on: Setting, seed: int, lotos: Lotos | None, bound: float | None, count: int
) -> list[nn.Module]:
    rng = torch.Generator().manual_seed(seed)
    fresh = [networks.build(on.recipe, rng) for _ in range(count)]
    training = replace(on.training, lipschitz=bound)
    return train_ensemble(fresh, on.train, training, rng, lotos=lotos)


def _overlap(members: Sequence[nn.Module], on: Setting) -> float:
    """Give what LOTOS makes small, by the same settings for all: its own defaults."""
    picture = torch.zeros(1, on.recipe.channels, on.recipe.size, on.recipe.size)
    lotos = Lotos(allowance=0.0)
    with torch.no_grad():
        return float(lotos.penalty(layers_of(members, picture, lotos, seed=1)))


def run(args: argparse.Namespace) -> Path:
    """Run the benchmark and give the path of its JSON file."""
    torch.set_num_threads(1)
    on = ground(args.data)
    if args.epochs:
        on = replace(on, training=replace(on.training, epochs=args.epochs))
    pgd = Pgd(bound=BOUNDS[args.data])
    attack: Attack = pgd
    if args.apgd:
        from benchmarks.ensembles.apgd import Apgd

        attack = Apgd(bound=pgd.bound, classes=on.recipe.classes)
    settings = {
        "data": on.name,
        "train": len(on.train),
        "attacked": min(ATTACKED, len(on.test)),
        "members": MEMBERS,
        "seeds": args.seeds,
        "attack": {"name": "apgd" if args.apgd else "pgd", **asdict(pgd)},
        "recipe": asdict(on.recipe),
        "training": asdict(on.training),
    }
    name = f"ensembles-{args.data}{'-apgd' if args.apgd else ''}"
    return record.write(name, settings, list(measured(on, attack, args.seeds)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="ensembles", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", choices=tuple(BOUNDS), default="digits")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="of each training; default: the data set's own")
    parser.add_argument("--apgd", action="store_true", help="attack by the toolbox's APGD")
    args = parser.parse_args(arguments)
    record.perform("ensembles", lambda: run(args))
