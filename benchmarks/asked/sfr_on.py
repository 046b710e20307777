"""SFR-on: which of its parts forgets, and what several repair steps after each ascent leave alone.

The settings are those of its public code for CIFAR-10, but for the number of steps: 300 batches of
128 go over 9,000 retained examples as often as the published 1,500 over 45,000.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from torch import nn

from benchmarks.asked.trials import Row, Trial, divergence
from benchmarks.asked.watched import Watched
from unlearning.methods.sfr_on import SfrOn
from unlearning.outputs import logits_of

TASKS = {"random": 3, "class": 2}
"""How many seeds of each are asked."""
PUBLISHED = SfrOn(steps=300)
PARTS = {
    "R": replace(PUBLISHED, saliency=False, adaptive=False, alternating=False),
    "R-on": replace(PUBLISHED, saliency=False, adaptive=False),
    "F+R-on": replace(PUBLISHED, saliency=False),
    "S+F+R-on": PUBLISHED,
}
REPAIRS = (1, 20)
"""Descents in a cycle, beside the published 5."""

LOOKED_AT = 500
"""Retained examples that the drift of a cycle is measured on."""


def rows(trials: Sequence[Trial]) -> Iterator[Row]:
    """Give all trials' rows."""
    for trial in trials:
        yield from trial.plain()
        yield from (_watched(trial, name, method) for name, method in variants().items())


def variants() -> dict[str, SfrOn]:
    """Give what is run, by the name of its row."""
    parts = {f"{name}, {PUBLISHED.forget_every} repairs": method for name, method in PARTS.items()}
    cycles = {f"S+F+R-on, {n} repairs": replace(PUBLISHED, forget_every=n) for n in REPAIRS}
    return {**parts, **cycles}


def _watched(trial: Trial, name: str, method: SfrOn) -> Row:
    shown = np.random.default_rng(0).permutation(len(trial.split.retain))[:LOOKED_AT]
    examples = trial.split.retain.take(shown)
    cycles: list[list[float]] = []

    before = logits_of(trial.network(), examples)

    def look(step: int, network: nn.Module) -> None:
        cycles.append([step, round(divergence(before, logits_of(network, examples)), 5)])

    watched = Watched(**vars(method), look=look)
    return trial.row(name, watched, lambda _: {"cycles": cycles})
