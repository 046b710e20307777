"""Forgetting a style: coloured MNIST, where the digit has nothing to do with the colours.

    python -m benchmarks.style --seeds 3

Each seed forgets another style. Compared: the original, FAMR's style loss, its divergence and both,
fine-tuning on the rest, a network retrained without the style, and one that was never trained,
which says what a probe reads off the images themselves. Models are kept under --cache.
Writes benchmarks/results/style.json.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks import record
from benchmarks.samples import ROOT
from benchmarks.style.trials import (
    COLUMNS,
    FORGOTTEN,
    LAYER,
    RECIPE,
    TRAINING,
    columns,
    models,
    split_of,
    test_data,
    training_data,
)
from systems.report.famr_page import over_seeds
from unlearning import networks
from unlearning.contracts import Method
from unlearning.domain import FloatArray
from unlearning.errors import Diverged
from unlearning.methods.famr import Famr
from unlearning.methods.finetune import FineTune
from unlearning.networks import Classifier
from unlearning.outputs import BATCH
from unlearning.training.loop import silent

DISTANCE = "style distance"

STYLE = Famr(style_weight=1.0, style_layer=LAYER, style_scale="relative")
"""Eqs. 3-5 with a grey neutral, on a scale that does not depend on the layer."""


def distance(network: nn.Module, original: Classifier, seed: int) -> float:
    """Give what the style loss lowers, ||G - G_grey||^2 / ||G_grey||^2 over the forget set."""
    style = replace(STYLE, kl_weight=0.0).forget_loss(original, split_of(seed))
    with torch.inference_mode():
        each = torch.cat(list(style.batches(network, BATCH["cpu"])))
    return float(each.mean())


def candidates() -> dict[str, list[Method]]:
    """Give the settings that each row may choose from, on the tuning seed."""
    style = [replace(STYLE, style_weight=weight) for weight in (1.0, 10.0, 100.0)]
    alone = [replace(famr, kl_weight=0.0) for famr in style]
    return {
        "FAMR, divergence only": [Famr(learning_rate=rate) for rate in (1e-5, 1e-4)],
        "FAMR, style only, grey": [*alone],
        "FAMR, style only, by class": [replace(famr, neutral="class") for famr in alone],
        "FAMR, combined, grey": [replace(famr, kl_weight=0.1) for famr in style[:2]],
        "fine-tuning": [
            FineTune(epochs=2, learning_rate=rate, precision="fp32") for rate in (0.01, 0.05)
        ],
    }


@dataclass(frozen=True)
class Tried:
    """One setting on the tuning seed; gap: distances from the retrained network, added up."""

    name: str
    method: Method
    columns: dict[str, float]
    gap: float

    def line(self) -> dict[str, Any]:
        """Give its entry in the result."""
        found = {key: round(value, 4) for key, value in self.columns.items()}
        gap = round(self.gap, 4) if self.columns else None
        return {"row": self.name, "settings": told(self.method), **found, "gap": gap}


def produced(method: Method, original: Classifier, seed: int) -> nn.Module:
    """Run a method on the seed's original; raises Diverged."""
    rng = torch.Generator().manual_seed(900_000 + seed)
    return method.unlearn(original, split_of(seed), rng, silent)


def tried(name: str, methods: Sequence[Method], folder: Path) -> list[Tried]:
    """Try settings on the tuning seed; what diverges is as far off as can be."""
    seed, found = len(FORGOTTEN) - 1, []
    original, retrained = models(seed, folder)
    wanted = columns(retrained, seed)
    for method in methods:
        try:
            got = columns(produced(method, original, seed), seed)
        except Diverged:
            found.append(Tried(name, method, {}, np.inf))
            continue
        gap = sum(abs(got[column] - wanted[column]) for column in COLUMNS)
        found.append(Tried(name, method, got, gap))
        print(name, told(method), got, round(gap, 4), flush=True)
    return found


def told(method: Method) -> dict[str, Any]:
    """Give a method's settings that are not the published ones."""
    plain = type(method)()
    return {k: v for k, v in vars(method).items() if v != getattr(plain, k)}


def rows_of(methods: dict[str, Method], seed: int, folder: Path) -> dict[str, dict[str, float]]:
    """Measure every row on one seed."""
    original, retrained = models(seed, folder)
    untrained = networks.build(RECIPE, torch.Generator().manual_seed(seed)).eval()
    made: dict[str, nn.Module] = {
        "original": original,
        "retrained": retrained,
        "never trained": untrained,
    }
    for name, method in methods.items():
        try:
            made[name] = produced(method, original, seed)
        except Diverged as problem:
            print(seed, name, problem, flush=True)
    return {name: _row(network, original, seed) for name, network in made.items()}


def _row(network: nn.Module, original: Classifier, seed: int) -> dict[str, float]:
    found = columns(network, seed) | {DISTANCE: distance(network, original, seed)}
    print(seed, found, flush=True)
    return found


def summary(seeds: Sequence[dict[str, dict[str, float]]]) -> list[dict[str, Any]]:
    """Give each row's columns over the seeds in which it did not diverge, two at least.

    `X - retrained` is a column less the retrained network's of the same seed.
    """
    names = dict.fromkeys(name for rows in seeds for name in rows)
    return [line(name, [rows for rows in seeds if name in rows]) for name in names]


def line(name: str, seeds: Sequence[dict[str, dict[str, float]]]) -> dict[str, Any]:
    """Give one row."""
    found: dict[str, Any] = {"row": name, "n": len(seeds)}
    if len(seeds) < 2:
        return found
    for column in (*COLUMNS, DISTANCE):
        found[column] = spread(np.array([rows[name][column] for rows in seeds]))
    for column in COLUMNS:
        apart = [rows[name][column] - rows["retrained"][column] for rows in seeds]
        found[f"{column} - retrained"] = spread(np.array(apart))
    return found


def spread(values: FloatArray) -> dict[str, float]:
    """Give mean, standard deviation and Student's 95 % interval over seeds."""
    numbers = (*over_seeds(values), values.std(ddof=1))
    names = ("mean", "low", "high", "sd")
    return {key: round(float(x), 4) for key, x in zip(names, numbers, strict=True)}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="style", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, choices=range(2, len(FORGOTTEN)))
    parser.add_argument("--cache", type=Path, default=ROOT / "artifacts/benchmarks/style")
    args = parser.parse_args()
    torch.set_num_threads(1)
    trials = {name: tried(name, some, args.cache) for name, some in candidates().items()}
    methods = {n: min(of, key=lambda trial: trial.gap).method for n, of in trials.items()}
    seeds = [rows_of(methods, seed, args.cache) for seed in range(args.seeds)]
    settings = {
        "data": "coloured_mnist",
        "train": len(training_data().examples),
        "test": len(test_data().examples),
        "forgotten": FORGOTTEN[: args.seeds],
        "tuned on": FORGOTTEN[-1],
        "recipe": dataclasses.asdict(RECIPE),
        "training": dataclasses.asdict(TRAINING),
        "methods": {name: dataclasses.asdict(method) for name, method in methods.items()},  # type: ignore[call-overload]
    }
    tuning = [trial.line() for of in trials.values() for trial in of]
    found = {"table": summary(seeds), "tuning": tuning, "seeds": seeds}
    print(record.write("style", settings, found))
