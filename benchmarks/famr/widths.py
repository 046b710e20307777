"""FAMR on transformers of several widths, in the columns of its paper's tables.

    python -m benchmarks.famr --widths --seeds 3

The paper has four sizes of ViT; here it is the width that grows, all else the same, and every
width has originals and retrained networks of its own. Writes famr-widths.json.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from benchmarks.famr.trials import Trial, columns, counted, models, split_of, summary, with_probe
from unlearning.methods.famr import Famr
from unlearning.outputs import logits_of
from unlearning.training.loop import silent

WIDTHS = (32, 64, 128)
TASKS = ("class", "sample")
VARIANTS: Mapping[str, Famr] = {
    "FAMR as published": Famr(),
    "FAMR, a third of the rate": Famr(learning_rate=3e-5),
}


def widths(seeds: int, folder: Path) -> Iterator[dict[str, Any]]:
    """Give each task's and width's rows, with the number of weights."""
    for task in TASKS:
        trials = [Trial(task, seed) for seed in range(seeds)]
        for width in WIDTHS:
            weights = sum(p.numel() for p in models(trials[0], folder, width)[0].parameters())
            for name in ("original", *VARIANTS, "retrained"):
                rows = [_measured(name, trial, folder, width) for trial in trials]
                found = summary(name, rows, counted(trials))
                yield {"task": task, "width": width, "weights": weights, **found}


def _measured(name: str, trial: Trial, folder: Path, width: int) -> dict[str, float]:
    original, retrained = models(trial, folder, width)
    before = logits_of(original, split_of(trial).forget)
    network: torch.nn.Module = retrained if name == "retrained" else original
    if name in VARIANTS:
        rng = torch.Generator().manual_seed(900_000 + trial.seed)
        network = VARIANTS[name].unlearn(original, split_of(trial), rng, silent)
    return with_probe(network, columns(network, before, trial), trial)
