"""Which examples are causes of forgetting, and what retraining takes of the same knowledge.

The halves are those of the search, by the same seeds. Forgotten is where as much was lost as
unlearning the whole set takes, times what a core-set is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import astuple
from typing import Any

import numpy as np

from benchmarks.coreset.knowledge import SHALLOW, rng_of
from benchmarks.coreset.tasks import CORE, SEEDS, Task, halved, losses, said
from benchmarks.means import mean_of
from unlearning.coresets import deciding
from unlearning.coresets.causes import Causes, by_chance, causes, of_part
from unlearning.domain import BoolArray, FloatArray
from unlearning.methods.retrain import Retrain
from unlearning.networks import Classifier
from unlearning.training.loop import Training, silent

RETRAINS, DRAWS = 3, 200
"""Retrained models of other seeds, and permutations that say what chance reaches."""


def rows(task: Task, training: Training) -> Iterator[dict[str, Any]]:
    """Give a row for each measure of knowledge."""
    halves, taken = halved(task, np.random.default_rng(7))
    whole = _means(task, np.ones(halves.shape[1], dtype=bool))
    fresh = _retrained(task, training)
    for name, effects in taken.items():
        enough = deciding.SUFFICES * whole[name].mean()
        core = CORE.chosen(halves, effects)
        found = {} if name == SHALLOW else _of_part(task, name, core, whole[name], enough)
        yield {
            "task": task.name,
            "knowledge": name,
            "examples": len(core),
            "core": int(core.sum()),
            "shrunk": _refusal(task),
            "before": float(task.before[name].mean()),
            "whole": astuple(mean_of(list(whole[name]))),
            "retrained": astuple(mean_of(list(fresh[name]))),
            **_by_example(halves, effects >= enough, core),
            **found,
        }


def _refusal(task: Task) -> str:
    """Say what is said of shrinking this forget set before anything is measured."""
    return said(task, {}, 1, 0.0)[0]


def _means(task: Task, part: BoolArray) -> dict[str, FloatArray]:
    """Give by measure what unlearning a part takes of all that is asked, (seeds,)."""
    lost = losses(task, part, SEEDS)
    return {name: np.array([one[name].mean() for one in lost]) for name in task.knows}


def _retrained(task: Task, training: Training) -> dict[str, FloatArray]:
    """Give by measure what a model has less that never saw the forget set, (retrains,)."""
    found = []
    for seed in range(RETRAINS):
        fresh = Retrain(training=training)
        made = fresh.unlearn(task.original, task.split.handed(), rng_of(100 + seed), silent)
        assert isinstance(made, Classifier)
        found.append({n: (task.before[n] - of(made)).mean() for n, of in task.knows.items()})
    return {name: np.array([one[name] for one in found]) for name in task.knows}


def _of_part(
    task: Task, name: str, core: BoolArray, whole: FloatArray, enough: float
) -> dict[str, Any]:
    alone, others = (_means(task, part)[name] for part in (core, ~core))
    necessary, sufficient = of_part(alone >= enough, others >= enough, whole >= enough)
    return {"core_necessary": _known(necessary), "core_sufficient": sufficient}


def _by_example(halves: BoolArray, forgotten: BoolArray, core: BoolArray) -> Mapping[str, Any]:
    found = causes(halves, forgotten)
    chance = by_chance(halves, forgotten, DRAWS, np.random.default_rng(8))
    return {
        "trials": len(forgotten),
        "forgotten": int(forgotten.sum()),
        **_told("necessity", found.necessity, chance[0]),
        **_told("sufficiency", found.sufficiency, chance[1]),
        "of_core": _of_core(found, core),
    }


def _told(name: str, bounds: FloatArray, chance: float) -> dict[str, Any]:
    """Give the bounds of the example with the largest lower one, and what chance reaches."""
    asked = bounds[~np.isnan(bounds[:, 0])]
    if not len(asked):
        return {name: None}
    return {name: [*asked[asked[:, 0].argmax()].tolist(), chance]}


def _of_core(found: Causes, core: BoolArray) -> dict[str, Any]:
    """Give the mean lower bounds over the core's examples."""
    of = {"necessity": found.necessity, "sufficiency": found.sufficiency}
    return {name: _known(float(bounds[core, 0].mean())) for name, bounds in of.items()}


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
