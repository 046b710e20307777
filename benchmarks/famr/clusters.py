"""Does the forgotten class's cluster dissolve within the network? By a number, and as pictures.

    python -m benchmarks.famr --clusters --seeds 3

Of each block's features (mean over tokens, test examples): the share of the forgotten class's
nearest neighbours that are of that class, before FAMR, after it, and in a network that never saw
the class. The pictures are the first two principal components, for the first seed. Writes
famr-clusters.json and docs/images/famr-clusters.png.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from benchmarks.famr.sweep import BLOCKS, networks_of, tokens
from benchmarks.famr.trials import Trial, split_of, stays
from benchmarks.samples import ROOT
from unlearning.domain import BoolArray, FloatArray
from unlearning.features import features_of

NEIGHBOURS = 10
PICTURE = ROOT / "docs/images/famr-clusters.png"
DRAWN = ("original", "FAMR as published", "retrained")
DRAWN_BLOCKS = (BLOCKS[1], BLOCKS[3])


def clusters(seeds: int, folder: Path) -> Iterator[dict[str, Any]]:
    """Give, network by network and block by block, the neighbourhoods' purity."""
    trials = [Trial("class", seed) for seed in range(seeds)]
    for name, of in networks_of(folder).items():
        made = [of(trial) for trial in trials]
        for block in BLOCKS:
            pairs = zip(made, trials, strict=True)
            found = [purity(_features(n, t, block), ~stays(t)) for n, t in pairs]
            yield {"network": name, "block": block, "purity": [round(x, 4) for x in found]}


def _features(network: nn.Module, trial: Trial, block: str) -> FloatArray:
    return features_of(network, split_of(trial).test, block, tokens)


def purity(features: FloatArray, forgotten: BoolArray) -> float:
    """Give the share of the nearest neighbours of those forgotten that are forgotten as well.

    features: (n, d); forgotten: (n,). Nobody is a neighbour of their own.
    """
    squares = ((features[forgotten][:, None] - features[None]) ** 2).sum(2)
    squares[np.arange(forgotten.sum()), np.flatnonzero(forgotten)] = np.inf
    nearest = squares.argsort(1)[:, :NEIGHBOURS]
    return float(forgotten[nearest].mean())


def plane(features: FloatArray) -> FloatArray:
    """Give the coordinates on the first two principal components, (n, 2)."""
    centred = features - features.mean(0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    return np.asarray(centred @ directions[:2].T)


def draw(folder: Path, path: Path = PICTURE) -> None:
    """Draw a panel for each network and block; without matplotlib say so and draw nothing."""
    if importlib.util.find_spec("matplotlib") is None:
        print(f"{path.name} is not drawn: matplotlib is not installed", file=sys.stderr)
        return
    from matplotlib.figure import Figure

    trial, made = Trial("class", 0), networks_of(folder)
    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    panels = figure.subplots(len(DRAWN_BLOCKS), len(DRAWN))
    for row, block in zip(panels, DRAWN_BLOCKS, strict=True):
        for panel, name in zip(row, DRAWN, strict=True):
            at = plane(_features(made[name](trial), trial, block))
            _panel(panel, at, ~stays(trial), f"{name}, block {block.rpartition('.')[2]}")
    figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    figure.savefig(path, dpi=90)


def _panel(panel: Any, at: FloatArray, forgotten: BoolArray, title: str) -> None:
    looks: Sequence[Mapping[str, Any]] = (
        {"color": "0.75", "label": "classes that stay"},
        {"color": "C3", "label": "the forgotten class"},
    )
    for where, look in zip((~forgotten, forgotten), looks, strict=True):
        panel.scatter(*at[where].T, s=5, linewidths=0, **look)
    panel.set(xticks=[], yticks=[])
    panel.set_title(title, fontsize=8)
