"""Accuracy at both ends of the year: one network, and the answers of SISA's shards together.

The ground is that of `benchmarks.head`, whose seconds the simulation takes: 10,000 images of
CIFAR-10, conv-medium. At the end 1,200 of them are gone, as in a year of 100 requests a month.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.special import softmax

from benchmarks.head.ground import TRAINING, Ground
from benchmarks.year.strategies import SISA_SHARDS
from unlearning.domain import Examples
from unlearning.outputs import logits_of

GONE = 1_200


def rows(seeds: int) -> Iterator[dict[str, Any]]:
    """Train both on all images and on those that are left, for each seed."""
    on = Ground()
    for seed in range(seeds):
        order = np.random.default_rng([seed, GONE]).permutation(len(on.train))
        for gone in (0, GONE):
            left = on.train.take(order[gone:])
            yield _row(on, seed, gone, "one network", [left])
            shards = [left.take(np.arange(k, len(left), SISA_SHARDS)) for k in range(SISA_SHARDS)]
            yield _row(on, seed, gone, f"SISA, {SISA_SHARDS} shards", shards)


def _row(on: Ground, seed: int, gone: int, name: str, parts: list[Examples]) -> dict[str, Any]:
    spent, answers = 0.0, np.zeros((len(on.test), on.recipe.classes))
    for number, part in enumerate(parts):
        network, seconds = on.network_on(part, seed * 100 + number)
        spent += seconds["processor_seconds"]
        answers += softmax(logits_of(network, on.test), axis=1)
    right = float((answers.argmax(1) == on.test.labels).mean())
    return {
        "model": name,
        "seed": seed,
        "gone": gone,
        "accuracy": right,
        "processor_seconds": round(spent, 2),
        "epochs": TRAINING.epochs,
    }
