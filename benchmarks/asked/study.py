"""What single papers ask of their method, on CIFAR-10 with a small network that over-fits.

    python -m benchmarks.asked --of sfr_on --seeds 3

The rows of benchmarks.asked.{sfr_on,trw,amun}; networks and rows are kept under --cache, so that an
interrupted run goes on. Writes benchmarks/results/asked-METHOD.json.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from benchmarks import record
from benchmarks.asked import amun, sfr_on, tables, trw
from benchmarks.asked.trials import DATA, ground, trials
from benchmarks.methods import grounds

METHODS: Mapping[str, ModuleType] = {"sfr_on": sfr_on, "trw": trw, "amun": amun}


def run(args: argparse.Namespace) -> Path:
    """Ask one method's questions and give the path of the result."""
    asked = METHODS[args.of]
    on_trials = trials(asked.TASKS, args.seeds, args.cache)
    found = list(asked.rows(on_trials))
    on = ground().setting
    settings = {
        "data": DATA,
        "train": len(on.train),
        "seeds": args.seeds,
        "shadows": on.shadows,
        "training": dataclasses.asdict(on.training),
        "recipe": dataclasses.asdict(on.recipe),
    }
    cells = [{k: v for k, v in row.items() if k != "signals"} for row in found]
    rows = {"table": tables.means(found), "cells": cells}
    if hasattr(asked, "further"):
        rows |= asked.further(on_trials, found)
    return record.write(f"asked-{args.of.replace('_', '-')}", settings, rounded(rows))


def rounded(value: Any) -> Any:
    """Keep five decimals."""
    return json.loads(json.dumps(value), parse_float=lambda text: round(float(text), 5))


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="asked", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--of", choices=sorted(METHODS), required=True)
    parser.add_argument("--seeds", type=int, default=3, choices=range(1, 10))
    parser.add_argument("--cache", type=Path, default=grounds.CACHE)
    args = parser.parse_args()
    torch.set_num_threads(1)
    record.perform("asked", lambda: run(args))
