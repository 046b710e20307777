"""What `init` sets where nobody chose: a network and a training that suit larger pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

NETWORK = "conv-whitened"
SMALLEST = 24
"""Pixels a side from which on that network takes pictures; the template's is for smaller ones."""

LEARNED_FROM = 36_000
"""Passes over examples after which more of them gain little (docs/results/recipe.md)."""

SIZES = (128, 96, 64, 48)
"""Pixels a side that photographs are decoded to, the largest that can be afforded; else SMALL."""

SMALL = 32
AFFORDED = 4.5e8
"""Pixels that pass through the network in all of `init`: about 750 seconds of one core of 2026 in
single precision, 430 in bf16, whatever the size (docs/tutorial.md)."""


def largest(examples: int, shadows: int, chosen: Mapping[str, Any]) -> int:
    """Pixels a side with which the first model and the bank are made in minutes on two cores.

    shadows: each learns from half of the examples. chosen: as for `suited`.
    """
    epochs = int(chosen.get("training.epochs", _epochs(examples)))
    passes = epochs * examples * (1 + shadows / 2)
    return next((side for side in SIZES if side**2 * passes <= AFFORDED), SMALL)


def _epochs(examples: int) -> int:
    return min(30, max(6, math.ceil(LEARNED_FROM / max(1, examples))))


def suited(size: int, channels: int, examples: int, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Give settings for pictures of this size, less what was chosen; none for small ones.

    chosen: settings by their place, such as training.epochs. With a network of somebody's choice
    its training is, too.
    """
    if size < SMALLEST or "network" in chosen:
        return {}
    found = {
        "network": NETWORK,
        "training.epochs": _epochs(examples),
        "training.batch_size": 128 if examples >= 5_000 else 64,
        "training.learning_rate": 0.2,
        "training.augmentation": "crop_flip" if channels == 3 else "crop",
        "training.label_smoothing": 0.2,
        "training.decays": "weights",
    }
    return {name: value for name, value in found.items() if name not in chosen}


def left(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Say what would suit the pictures where settings that were there already stay as they are."""
    if not settings:
        return ()
    words = ", ".join(f"{name} {value}" for name, value in settings.items())
    return (
        f"params.yaml was here and stays as it is; pictures of this size would get {words}: set "
        "these in it, or remove the file before `lethe init`",
    )


def told(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Say what was set; nothing where nothing was."""
    if not settings:
        return ()
    words = ", ".join(f"{name.rpartition('.')[2]} {value}" for name, value in settings.items())
    return (f"for pictures of this size params.yaml has {words}; --network chooses another",)
