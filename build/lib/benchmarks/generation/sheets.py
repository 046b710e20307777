"""A sheet of what generators draw: each one's class to forget, then one of every other class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.generation.makers import Makers
from benchmarks.record import RESULTS
from unlearning.domain import ByteArray
from unlearning.generation.measures import Bench
from unlearning.generation.sampling import sampled

OWN = 10
"""Pictures of the class to forget, on the left."""

PIXELS = 32
"""At least so many on each side of a picture."""


def write(makers: Makers, bench: Bench, rows: Sequence[str], seed: int = 0) -> Path:
    """Write generation-DATA-NETWORK.png, a line for each generator of a seed, in that order."""
    networks = [makers.made(row, seed).network for row in rows]
    others = [label for label in range(bench.classes) if label != bench.label]
    labels = torch.tensor([bench.label] * OWN + others)
    rng = [torch.Generator().manual_seed(bench.seed) for _ in networks]
    lines = [
        line(np.asarray(sampled(one, labels, bench.sampler, chance).images))
        for one, chance in zip(networks, rng, strict=True)
        if one is not None
    ]
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"generation-{makers.ground.name}-{makers.network}.png"
    Image.fromarray(np.concatenate(lines)).convert("RGB").save(path)
    return path


def line(images: ByteArray) -> ByteArray:
    """Lay pictures (n, c, h, w) side by side with white between them, (high, wide[, 3])."""
    times = max(1, -(-PIXELS // images.shape[2]))
    large = images.repeat(times, 2).repeat(times, 3)
    framed = np.pad(large, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=255)
    laid = np.concatenate(list(framed.transpose(0, 2, 3, 1)), axis=1)
    return laid[..., 0] if laid.shape[2] == 1 else laid
