"""Spectra and their clipping: errors, milliseconds, accuracy, and AMUN on networks that are held.

    python -m benchmarks.lipschitz --data spectra
    python -m benchmarks.lipschitz --data tracking
    python -m benchmarks.lipschitz --data digits
    python -m benchmarks.lipschitz --data cifar10
    python -m benchmarks.lipschitz --data theorem

`theorem` needs the networks of `python -m benchmarks.methods` on digits and digits-held, for which
benchmarks/README.md has the commands. Writes lipschitz-DATA.json.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmarks import record
from benchmarks.lipschitz import grounds, spectra, theorem, tracking, trained
from benchmarks.methods.grounds import CACHE

BOUNDS = {"digits": (1.0, 2.0), "cifar10": (1.0, 2.0)}


def run(args: argparse.Namespace) -> Path:
    """Run the benchmark and give the path of its JSON file."""
    torch.set_num_threads(1)
    settings, rows = _measured(args)
    return record.write(f"lipschitz-{args.data}", settings, rows)


def _measured(args: argparse.Namespace) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    if args.data == "spectra":
        shape = {"channels": spectra.CHANNELS, "side": spectra.SIDE, "draws": spectra.DRAWS}
        return shape, list(spectra.measured())
    if args.data == "tracking":
        return {"steps": tracking.STEPS, "seeds": tracking.SEEDS}, list(tracking.measured())
    if args.data == "theorem":
        return {"seeds": args.seeds}, list(theorem.measured(args.cache, args.seeds))
    on = grounds.ground(args.data)
    settings = {
        "data": on.name,
        "train": len(on.train),
        "test": len(on.test),
        "recipe": asdict(on.recipe),
        "training": asdict(on.training),
        "seeds": args.seeds,
    }
    return settings, list(trained.measured(on, BOUNDS[args.data], args.seeds))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="lipschitz", description=(__doc__ or "").split("\n")[0])
    names = ("spectra", "tracking", "digits", "cifar10", "theorem")
    parser.add_argument("--data", choices=names, default="spectra")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cache", type=Path, default=CACHE)
    args = parser.parse_args(arguments)
    record.perform("lipschitz", lambda: run(args))
