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


def suited(size: int, channels: int, examples: int, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Give settings for pictures of this size, less what was chosen; none for small ones.

    chosen: settings by their place, such as training.epochs. With a network of somebody's choice
    its training is, too.
    """
    if size < SMALLEST or "network" in chosen:
        return {}
    found = {
        "network": NETWORK,
        "training.epochs": min(30, max(6, math.ceil(LEARNED_FROM / max(1, examples)))),
        "training.batch_size": 128 if examples >= 5_000 else 64,
        "training.learning_rate": 0.2,
        "training.augmentation": "crop_flip" if channels == 3 else "crop",
        "training.label_smoothing": 0.2,
        "training.decays": "weights",
    }
    return {name: value for name, value in found.items() if name not in chosen}


def told(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Say what was set; nothing where nothing was."""
    if not settings:
        return ()
    words = ", ".join(f"{name.rpartition('.')[2]} {value}" for name, value in settings.items())
    return (f"for pictures of this size params.yaml has {words}; --network chooses another",)
