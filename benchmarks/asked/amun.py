"""AMUN by other adversarial examples than its own, and what it does where a search finds none.

On CIFAR-10, with the published settings: 10 epochs at .01, divided by ten after five. The search is
stopped at a radius in the rows that say so; whom it finds nothing for is left out of what is
learned as adversarial, and in the published variant is learned on with the true label.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from torch import nn

from benchmarks.amun.elsewhere import SOURCES, Known, Taught
from benchmarks.asked.trials import Row, Trial
from benchmarks.methods.attacked import attacked
from benchmarks.methods.jobs import Job
from benchmarks.methods.trials import TrialName
from unlearning.domain import BoolArray
from unlearning.methods.amun import Amun
from unlearning.outputs import outputs_of
from unlearning.training.adversarial import Adversarial
from unlearning.training.epsilon_search import adversarial_examples

TASKS = {"random": 9}
AMUN = Amun(learning_rate=0.01, epochs=10, decay_every=5)
PUBLISHED = replace(AMUN, start="eps_init", restart="from_iterate", refinements=0)
RADII = ((0, "amun"), (1, "amun"), (1, "advonly"))
"""Doublings of a radius of .04 after which the search gives up, and what is learned then."""

LEAST = 20
"""People without whom an attack on a part of the forget set says nothing."""


def rows(trials: Sequence[Trial]) -> Iterator[Row]:
    """Give all trials' rows."""
    for trial in trials:
        yield from trial.plain()
        yield _taught(trial, "its own, PGD-50 as published", searched(trial, PUBLISHED), AMUN)
        other = trial.network(Job(TrialName("random", trial.name.seed + 1), None))
        known = Known(AMUN, trial.network(), other, trial.split, np.random.default_rng(0))
        for name, source in SOURCES.items():
            yield _taught(trial, name, source(known), AMUN)
        for count, variant in RADII:
            capped = replace(AMUN, doublings=count, variant=variant)
            name = f"radius at most {capped.search().cap:g}, {variant}"
            yield _taught(trial, name, searched(trial, capped), capped)


def searched(trial: Trial, amun: Amun) -> Adversarial:
    """Search the forget set's adversarial examples on the original."""
    return adversarial_examples(trial.network(), trial.split.forget, amun.search())


def _taught(trial: Trial, name: str, given: Adversarial, amun: Amun) -> Row:
    row = trial.row(name, Taught(**vars(amun), given=given), partial(_apart, trial, given.found))
    far = {"l2": float(given.l2[given.found].mean())} if given.found.any() else {}
    return {**row, "further": {**row["further"], **far, "found": float(given.found.mean())}}


def _apart(trial: Trial, found: BoolArray, network: nn.Module) -> Row:
    """Attack those who have an adversarial example and those who have none, each for themselves."""
    split, parts = trial.split, {"found": found, "none": ~found}
    further = {}
    for name, part in parts.items():
        if part.sum() >= LEAST:
            own = replace(split, forget=split.forget.take(part))
            further[f"auc, {name}"] = attacked(outputs_of(network, own), own, trial.bank)[
                "forget_auc"
            ]
    return {"further": further}
