"""What it saves that workers keep freed memory: training with and without glibc's usual thresholds.

    python -m benchmarks.kept_memory

The thresholds are read when a process starts, so every turn trains a ResNet-20 in two processes of
one thread, one told what `lethe` tells its own. Ratios are of one turn, of processor seconds.
Writes benchmarks/results/kept-memory.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from typing import Any

from benchmarks.cost.commands import spread

IMAGES, TURNS = 2_000, 5

KEPT = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")


def environment(kept: bool) -> dict[str, str]:
    """Give the environment of a child, with `lethe`'s thresholds or with glibc's own."""
    from flows.cli import ENVIRONMENT

    told = {"OMP_NUM_THREADS": "1", **({name: ENVIRONMENT[name] for name in KEPT} if kept else {})}
    return {**{k: v for k, v in os.environ.items() if k not in KEPT}, **told}


def child(images: int) -> None:
    """Train one epoch after another that warms up; print what it took as JSON."""
    import numpy as np
    import torch

    from benchmarks.cost.throughput import cases, random_examples
    from unlearning import networks
    from unlearning.training.loop import train

    torch.set_num_threads(1)
    case, rng = cases()[0], torch.Generator().manual_seed(0)
    network = networks.build(case.recipe, rng)
    few = random_examples(images // 4, case.recipe, np.random.default_rng(0))
    many = random_examples(images, case.recipe, np.random.default_rng(1))
    train(network, few, case.training, rng)
    before = resource.getrusage(resource.RUSAGE_SELF)
    train(network, many, case.training, rng)
    after = resource.getrusage(resource.RUSAGE_SELF)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(
        json.dumps({"processor_seconds": used, "page_faults": after.ru_minflt - before.ru_minflt})
    )


def turn(images: int) -> dict[bool, dict[str, float]]:
    """Train once in each way."""
    line = [sys.executable, "-m", "benchmarks.kept_memory", "--child", "--images", str(images)]
    return {
        kept: json.loads(subprocess.check_output(line, env=environment(kept)))
        for kept in (True, False)
    }


def rows(turns: list[dict[bool, dict[str, float]]]) -> dict[str, Any]:
    """Sum the turns up; ratio: kept over not kept, in processor seconds of one turn."""
    ways = {True: "memory kept", False: "memory given back"}
    found: dict[str, Any] = {
        name: {key: spread([turn[kept][key] for turn in turns]) for key in turns[0][kept]}
        for kept, name in ways.items()
    }
    seconds = [[turn[kept]["processor_seconds"] for kept in ways] for turn in turns]
    return {**found, "ratio": spread([kept / given_back for kept, given_back in seconds])}


def main() -> None:
    """Run the benchmark, or one training of it."""
    parser = argparse.ArgumentParser(
        prog="kept_memory", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child(args.images)
        return
    from benchmarks import record

    found = rows([turn(args.images) for _ in range(args.turns)])
    print(record.write("kept-memory", {"images": args.images, "network": "resnet20"}, found))
