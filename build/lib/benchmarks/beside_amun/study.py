"""Our search for adversarial examples beside the public one of AMUN, from the same weights.

    python -m benchmarks.beside_amun --public DIR [--images 200] [--turns 3]

DIR is a checkout of Ali-E/AMUN, of which the class PGDL2 is run as it is, over batches of 128 as
its own script does; without one nothing is run. Both sides get the first forgotten images of the
trial random-0000 and its ResNet-20, one thread, and their turns in one process. Distances are L2
in pixels from 0 to 1. Writes benchmarks/results/beside-amun.json.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks import record
from benchmarks.beside_privacy_meter.study import commit
from benchmarks.cost.commands import spread
from benchmarks.methods import trials
from benchmarks.samples import ROOT
from unlearning import networks
from unlearning.domain import Examples, FloatArray, IntArray
from unlearning.outputs import logits_of
from unlearning.training import keyed
from unlearning.training.adversarial import EpsilonSearch
from unlearning.training.epsilon_search import adversarial_examples
from unlearning.training.loop import pick_device, uses_bf16

TRIAL = trials.TrialName("random", 0)
BATCH = 128  # of the public script
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
DEFAULT = EpsilonSearch()
OURS = {
    "ours": DEFAULT,
    "ours, from_iterate": replace(DEFAULT, restart="from_iterate"),
    "ours, fp32": replace(DEFAULT, precision="fp32"),
}
"""What takes turns with the public search."""

AS_PUBLISHED = {
    "ours, as in the public code": replace(
        DEFAULT,
        restart="from_iterate",
        start="eps_init",
        refinements=0,
        precision="fp32",
    ),
    "ours, as in Algorithm 4": replace(DEFAULT, start="eps_init", refinements=0, precision="fp32"),
}
"""What runs once: the same search without what makes it fast or near."""


@dataclass(frozen=True, eq=False)
class Found:
    """What one search gave for each image, (n,); passes: forward and backward, if it counts."""

    l2: FloatArray
    eps: FloatArray
    labels: IntArray
    passes: int | None = None


@dataclass(frozen=True, eq=False)
class Run:
    """One turn: what was found, the seconds it took, and those that the processor worked for it."""

    found: Found
    seconds: float
    processor_seconds: float


Search = Callable[[], Found]


def ours(network: nn.Module, examples: Examples, settings: EpsilonSearch) -> Found:
    """Search as `amun` does, from nothing."""
    keyed.clear()
    found = adversarial_examples(network, examples, settings)
    return Found(found.l2, found.eps, found.labels, found.passes)


def public(attack: Callable[..., Any], network: nn.Module, examples: Examples) -> Found:
    """Search as the public script does."""
    pixels = torch.from_numpy(np.ascontiguousarray(examples.images)).float() / 255
    labels = torch.from_numpy(examples.labels)
    cut = zip(torch.split(pixels, BATCH), torch.split(labels, BATCH), strict=True)
    given = zip(*(attack(network).forward(x, y) for x, y in cut), strict=True)
    _, _, answers, eps, l2 = (torch.cat(parts).detach().numpy() for parts in given)
    return Found(l2, eps, answers)


def loaded(checkout: Path) -> Callable[..., Any]:
    """Give the public class, which imports a file beside its own."""
    sys.path.insert(0, str(checkout))
    attack: Callable[..., Any] = importlib.import_module("pgdl2_modified").PGDL2
    return attack


def timed(search: Search) -> Run:
    """Run a search once."""
    began, worked = time.perf_counter(), time.process_time()
    found = search()
    return Run(found, time.perf_counter() - began, time.process_time() - worked)


def in_turns(searches: Mapping[str, Search], turns: int) -> dict[str, list[Run]]:
    """Run all searches one after the other, then all again."""
    runs: dict[str, list[Run]] = {name: [] for name in searches}
    for turn in range(turns):
        for name, search in searches.items():
            runs[name].append(timed(search))
            print(turn, name, f"{runs[name][-1].processor_seconds:.1f} s", flush=True)
    return runs


def distances(found: Found, theirs: Found, labels: IntArray) -> dict[str, Any]:
    """Summarise distances, also against the public ones image by image."""
    quantiles = np.quantile(found.l2, QUANTILES).round(4).tolist()
    passes = {} if found.passes is None else {"passes_per_image": found.passes / len(labels)}
    return {
        "changed_answers": float((found.labels != labels).mean()),
        "l2_mean": round(float(found.l2.mean()), 4),
        "l2_quantiles": dict(zip(map(str, QUANTILES), quantiles, strict=True)),
        "l2_mean_of_public": round(float(found.l2.sum() / theirs.l2.sum()), 4),
        "not_farther_than_public": float((found.l2 <= theirs.l2 + 1e-6).mean()),
        "eps_mean": round(float(found.eps.mean()), 4),
        **passes,
    }


def row(name: str, runs: Sequence[Run], theirs: Sequence[Run], labels: IntArray) -> dict[str, Any]:
    """Describe one search; ratios are within each turn, as far as it had turns."""
    pairs = list(zip(theirs, runs, strict=False))
    return {
        "search": name,
        "seconds": spread([run.seconds for run in runs]),
        "processor_seconds": spread([run.processor_seconds for run in runs]),
        "times_faster": spread([a.seconds / b.seconds for a, b in pairs]),
        "times_faster_processor": spread(
            [a.processor_seconds / b.processor_seconds for a, b in pairs]
        ),
        **distances(runs[0].found, theirs[0].found, labels),
    }


def measured(
    attack: Callable[..., Any], network: nn.Module, examples: Examples, turns: int
) -> list[dict[str, Any]]:
    """Give a row for the public search and each of ours."""

    def mine(settings: Mapping[str, EpsilonSearch]) -> dict[str, Search]:
        return {name: partial(ours, network, examples, each) for name, each in settings.items()}

    theirs = {"public": partial(public, attack, network, examples)}
    runs = in_turns({**theirs, **mine(OURS)}, turns) | in_turns(mine(AS_PUBLISHED), 1)
    return [row(name, each, runs["public"], examples.labels) for name, each in runs.items()]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="beside_amun", description=__doc__.splitlines()[0])
    parser.add_argument("--public", type=Path, help="a checkout of Ali-E/AMUN")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=ROOT / "artifacts/benchmarks/cifar10")
    args = parser.parse_args()
    if args.public is None or not (args.public / "pgdl2_modified.py").is_file():
        print("skipped: --public names no checkout of Ali-E/AMUN (pgdl2_modified.py is missing)")
        return
    torch.set_num_threads(1)
    network = networks.load(trials.original_path(args.folder, TRIAL))
    examples = trials.split_of(TRIAL).forget.take(np.arange(args.images))
    rows = measured(loaded(args.public), network, examples, args.turns)
    settings = {
        "trial": str(TRIAL),
        "images": args.images,
        "right_before": float((logits_of(network, examples).argmax(1) == examples.labels).mean()),
        "turns": args.turns,
        "bf16": uses_bf16(DEFAULT.precision, pick_device()),
        "threads": torch.get_num_threads(),
        "search": asdict(DEFAULT),
        "public": "Ali-E/AMUN",
        "commit": commit(args.public),
    }
    print(record.write("beside-amun", settings, rows))
