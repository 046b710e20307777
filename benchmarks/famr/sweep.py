"""FAMR's own questions: what becomes of clusters, how curved the way is.

    python -m benchmarks.famr --sweep --seeds 3

The forgotten class among the features of each block, before, after and retrained; extreme
eigenvalues of the objective's Hessian after each second epoch. Writes famr-sweep.json.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.famr.trials import Trial, models, split_of, stays
from unlearning.domain import BoolArray, FloatArray, joined
from unlearning.famr.evidence import curvature_of_objective, end_of
from unlearning.features import features_of, probe_auc
from unlearning.methods.famr import Famr
from unlearning.training.loop import pick_device

BLOCKS = ("body.blocks.0", "body.blocks.1", "body.blocks.2", "body.blocks.3")
EVERY = 2
"""Epochs between two looks at the Hessian."""


def run(famr: Famr, trial: Trial, folder: Path) -> list[nn.Module]:
    """Give the network before the first and after every second epoch, and at the end."""
    original, _ = models(trial, folder)
    rng = torch.Generator().manual_seed(900_000 + trial.seed)
    found: list[nn.Module] = [deepcopy(original)]
    for done, epoch in enumerate(famr.trajectory(original, split_of(trial), rng), 1):
        if done % EVERY == 0 or done == famr.epochs:
            found.append(deepcopy(epoch.network))
    return found


def layers(seeds: int, folder: Path) -> Iterator[dict[str, Any]]:
    """Give, block by block, how well a forgotten class is told apart on test examples."""
    for name, of in networks_of(folder).items():
        for block in BLOCKS:
            trials = [Trial("class", seed) for seed in range(seeds)]
            seen = [_apart(of(trial), trial, block) for trial in trials]
            probes, spreads = (np.array(values) for values in zip(*seen, strict=True))
            yield {
                "network": name,
                "block": block,
                "probe": [round(float(x), 4) for x in probes],
                "separation": [round(float(x), 4) for x in spreads],
            }


Made = Callable[[Trial], nn.Module]


def networks_of(folder: Path) -> Mapping[str, Made]:
    """Give ways to a trial's networks: before, after FAMR, and retrained."""

    def after(famr: Famr) -> Made:
        return lambda trial: run(famr, trial, folder)[-1]

    return {
        "original": lambda trial: models(trial, folder)[0],
        "FAMR as published": after(Famr()),
        "FAMR, head only": after(replace(Famr(), head_only=True, learning_rate=1e-3)),
        "FAMR, uniform over the rest": after(Famr(target="uniform_retain")),
        "retrained": lambda trial: models(trial, folder)[1],
    }


def _apart(network: nn.Module, trial: Trial, block: str) -> tuple[float, float]:
    """Give a linear probe's AUC, and between- over within-class spread, of the forgotten class."""
    split = split_of(trial)
    known = joined(split.forget, split.retain)
    train, test = (features_of(network, part, block, tokens) for part in (known, split.test))
    is_known, is_test = np.arange(len(known)) < len(split.forget), ~stays(trial)
    return probe_auc(train, is_known, test, is_test), separation(test, is_test)


def tokens(values: Tensor) -> Tensor:
    """Give the mean over an example's tokens."""
    return values.mean(1)


def separation(features: FloatArray, forgotten: BoolArray) -> float:
    """Give the squared distance of two means over the mean squared distance from them.

    features: (n, d); forgotten: (n,), which of them. 0 is one cloud.
    """
    parts = features[forgotten], features[~forgotten]
    means = [part.mean(0) for part in parts]
    within = [((part - mean) ** 2).sum(1) for part, mean in zip(parts, means, strict=True)]
    return float(((means[0] - means[1]) ** 2).sum() / np.concatenate(within).mean())


def descent(seeds: int, folder: Path) -> Iterator[dict[str, Any]]:
    """Give the extreme Ritz values of the objective's Hessian along the published descent."""
    famr = Famr()
    for task in ("class", "sample"):
        for seed in range(seeds):
            trial = Trial(task, seed)
            original, _ = models(trial, folder)
            for step, network in enumerate(run(famr, trial, folder)):
                end = end_of(famr, original, network.to(pick_device()), split_of(trial))
                rng = torch.Generator().manual_seed(seed)
                seen = curvature_of_objective(end, rng, steps=20, probes=1)
                yield {
                    "task": task,
                    "seed": seed,
                    "epoch": step * EVERY,
                    "low": round(seen.low, 3),
                    "high": round(seen.high, 3),
                    "error": round(seen.error, 3),
                    "near_zero": round(seen.near_zero, 4),
                    "stable_rate": round(2 / max(seen.high, 1e-9), 8),
                }


def swept(seeds: int, folder: Path) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """Do both."""
    return {"layers": list(layers(seeds, folder)), "descent": list(descent(seeds, folder))}
