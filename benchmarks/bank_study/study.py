"""How large a shadow bank must be, how much a shadow should see, and what to calibrate from few.

    python -m benchmarks.bank_study --data digits

The champions, forget sets (random examples and whole people) and retrained models that
benchmarks.gates keeps are judged by banks of several sizes, shares and calibrations; only the banks
that the product does not have are trained, under --cache. Smaller banks are drawn from the larger
ones. Says how well the attack sees the champion, whether it is fair to retrained models, how often
these lie in the null band, and what the forgetting gate says. Writes bank-study-DATA.json and .md
to benchmarks/results.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
import yaml

from benchmarks import record, samples
from benchmarks.bank_study import tables
from benchmarks.bank_study.cells import CALIBRATIONS, Draws, Seen, judged
from benchmarks.bank_study.shares import SHARES, Shelf, bank_of
from benchmarks.gates.grounds import Ground, grounds_of, named, setting_of
from benchmarks.gates.scenes import Place
from benchmarks.means import write_page
from benchmarks.methods import grounds
from unlearning.bank.shadows import load_bank
from unlearning.errors import UsageError

KINDS = ("random", "subject")
LEAST = 100
"""Forget examples for which the policy has limits."""

LARGEST = {"digits": (32, 32, 16), "cifar10": (0, 32, 0)}
"""Shadows that see each of `SHARES`; of CIFAR-10, only those of the bank that the gates have."""

WAYS = 2
"""Retrained models of a forget set, at most: with another seed, or only in another order."""


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="bank_study", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", choices=sorted(LARGEST), default="digits")
    parser.add_argument("--seeds", type=int, default=10, help="at most; those that are there")
    parser.add_argument("--sizes", nargs="+", type=int, default=[4, 8, 16, 32])
    parser.add_argument("--draws", type=int, default=2, help="smaller banks of each size, a seed")
    parser.add_argument(
        "--largest",
        nargs=len(SHARES),
        type=int,
        help=f"shadows that see {SHARES} of the data",
    )
    parser.add_argument("--cache", type=Path, default=grounds.CACHE)
    return parser.parse_args(arguments)


def kept(found: Sequence[Ground]) -> list[Ground]:
    """Keep the grounds whose champion and retrained model are there, and forget sets large enough.

    Nothing is trained here: another benchmark may be at it.
    """
    sizes = sorted({asked.size for ground in found for asked in ground.asked})
    enough = named(found, KINDS, [size for size in sizes if size >= LEAST])
    there = [
        replace(ground, goods=tuple(good for good in ground.goods[:WAYS] if good.path.exists()))
        for ground in enough
        if ground.champion.exists()
    ]
    return [ground for ground in there if ground.goods]


def run(args: argparse.Namespace) -> Path:
    """Run the benchmark and give the path of its JSON file."""
    torch.set_num_threads(1)
    setting = setting_of(args.data)
    folder = args.cache / setting.name
    halves = grounds.bank_of(setting, folder, 1, record.told)
    shelf = Shelf(folder / "study", halves)
    numbers = zip(SHARES, args.largest or LARGEST[args.data], strict=True)
    largest = {share: most for share, most in numbers if most}
    banks = {share: bank_of(shelf, setting, share, most) for share, most in largest.items()}
    there = kept(list(grounds_of(args.data, setting, load_bank(halves), folder, range(args.seeds))))
    place = Place(args.data, shelf.folder, halves, samples.ROOT / "policy.yaml")
    rows = all_judged(there, place, Draws(banks, args.sizes, args.draws))
    table = tables.table(rows)
    settings = {
        "data": args.data,
        "seeds": sorted({row.seed for row in rows}),
        "forget sets": sorted({f"{row.kind} {row.size}" for row in rows}),
        "largest banks": {str(share): most for share, most in largest.items()},
        "sizes": args.sizes,
        "draws": args.draws,
        "calibrations": {name: repr(attack) for name, attack in CALIBRATIONS.items()},
        "gate": yaml.safe_load(place.policy.read_text())["gates"]["forgetting"],
        "smallest_bank of the gate": 2,
    }
    path = record.write(f"bank-study-{args.data}", settings, {"table": table})
    write_page(path, tables.words(setting.name, table), tables.page(table))
    return path


def all_judged(there: Sequence[Ground], place: Place, draws: Draws) -> list[Seen]:
    """Judge every forget set of every ground."""
    if not there:
        raise UsageError(
            "bank_study: got no champions with retrained models; run benchmarks.gates first"
        )
    rows = []
    for done, ground in enumerate(there, 1):
        for asked in ground.asked:
            rows += judged(ground, asked, place, draws)
        print(f"{done}/{len(there)} {ground.name} {ground.seed}", file=sys.stderr, flush=True)
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    args = options(arguments)
    record.perform("bank_study", lambda: run(args))
