"""The search for a cheaper training that is as accurate on strangers: an Optuna study in a file.

Retraining passes all gates by lineage, so that nothing is forgotten here: what is made small is its
passes, as long as it answers strangers as well as the workspace's own training does. The best by
one seed are partly the lucky ones: who is chosen has to hold on seeds that chose nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from systems.compute.attempting import Losses, fresh
from systems.compute.away import Send, trained
from systems.compute.studies import Limits, Told, gone_on, study_in
from unlearning.domain import BoolArray, Examples, FloatArray
from unlearning.errors import Diverged
from unlearning.outputs import logits_of
from unlearning.recipe import Recipe
from unlearning.search_space import training_ranges
from unlearning.statistics.intervals import Interval, paired_difference
from unlearning.training.loop import Training, silent

CONFIRMING = 2
"""Further seeds on which a choice and the own training are compared."""

CHOICES = 3
"""How many are held to it, at most, before none is."""


@dataclass(frozen=True, eq=False)
class Ground:
    """What trainings are compared on.

    train: examples; strangers: other people, whom nobody trains on here. own: the workspace's
    training. seed: of every trial alike. away: has workers elsewhere train.
    """

    recipe: Recipe
    train: Examples
    strangers: Examples
    own: Training
    seed: int
    away: Send | None = None

    def cost(self, training: Training) -> float:
        """Give a training's passes relative to the own one's."""
        return training.epochs / self.own.epochs


@dataclass(frozen=True, eq=False)
class Tried:
    """One training from fresh weights. right: (n,) strangers answered rightly, None if diverged."""

    cost: float
    seconds: float
    right: BoolArray | None
    learned: float = 0.0
    problem: str = ""

    @property
    def accuracy(self) -> float:
        """On strangers, 0 if it diverged."""
        return 0.0 if self.right is None else float(self.right.mean())

    @property
    def gap(self) -> float:
        """How much better it answers what it was trained on: what it learned by heart."""
        return self.learned - self.accuracy


def attempt(on: Ground, training: Training, seed: int) -> Tried:
    """Train once and ask the strangers."""
    cost, losses = on.cost(training), Losses(silent)
    try:
        if on.away is not None:
            made = trained(on.away, on.recipe, training, on.train, seed, losses)
        else:
            made = fresh(on.recipe, training, on.train, seed, losses)
    except Diverged as problem:
        return Tried(cost, 0.0, None, problem=str(problem))
    asked = [logits_of(made.candidate, e).argmax(1) == e.labels for e in (on.strangers, on.train)]
    return Tried(cost, made.seconds, asked[0], float(asked[1].mean()))


def objective(tried: Tried, own: float) -> float:
    """Give the cost of what is at least as accurate as `own`, else 1 and what it lacks."""
    short = own - tried.accuracy
    return tried.cost if short <= 0 else 1 + short


def search(on: Ground, storage: Path, limits: Limits, told: Told) -> list[dict[str, Any]]:
    """Go on with the study until its limits and give the records of its trials, the own first."""
    ranges = training_ranges(on.own)

    def first() -> tuple[dict[str, Any], dict[str, Any]]:
        drawn = {name: getattr(on.own, name) for name in ranges}
        return _record(drawn, attempt(on, on.own, on.seed), None), drawn

    def then(drawn: dict[str, Any], records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        tried = attempt(on, replace(on.own, **drawn), on.seed)
        return _record(drawn, tried, records[0]["accuracy"])

    study = study_in(storage, "retrain")
    return gone_on(study, ranges, limits, first, then, seed=on.seed, told=told)


def _record(drawn: Mapping[str, Any], tried: Tried, own: float | None) -> dict[str, Any]:
    """Give a trial as it is kept; own: None for the own training, which nothing is held against."""
    failed = tried.right is None
    return {
        "settings": dict(drawn),
        "cost": round(tried.cost, 4),
        "seconds": round(tried.seconds, 2),
        "accuracy": round(tried.accuracy, 4),
        "gap": round(tried.gap, 4),
        "objective": None if failed else round(objective(tried, own or 0.0), 5),
        "opened": not failed,
        "problem": tried.problem,
    }


@dataclass(frozen=True)
class Held:
    """A training and the own one on seeds that chose neither.

    accuracy, gap, seconds: means of (own, the other). lost: accuracy that is lost on strangers,
    with an interval by people.
    """

    settings: Mapping[str, Any]
    cost: float
    accuracy: tuple[float, float]
    gap: tuple[float, float]
    seconds: tuple[float, float]
    lost: Interval

    def as_record(self) -> dict[str, Any]:
        """Give it as it is printed."""
        return asdict(self)


def choose(on: Ground, records: Sequence[Mapping[str, Any]]) -> Held | None:
    """Give the cheapest training that is at least as accurate on other seeds too, None if none is.

    Only what is cheaper than the own training is held to it.
    """
    cheaper = [r for r in records[1:] if r["objective"] is not None and r["objective"] < 1]
    if not cheaper:
        return None
    seeds = [on.seed + 1 + n for n in range(CONFIRMING)]
    own = [attempt(on, on.own, seed) for seed in seeds]
    ordered = sorted(cheaper, key=lambda r: (r["objective"], -r["accuracy"]))[:CHOICES]
    return next((held for held in _held(on, own, ordered, seeds) if held.lost.value <= 0), None)


def _held(
    on: Ground,
    own: Sequence[Tried],
    records: Sequence[Mapping[str, Any]],
    seeds: Sequence[int],
) -> Iterator[Held]:
    for record in records:
        training = replace(on.own, **record["settings"])
        other = [attempt(on, training, seed) for seed in seeds]
        if all(tried.right is not None for tried in (*own, *other)):
            yield _compared(on, record["settings"], own, other)


def _rightness(side: Sequence[Tried]) -> FloatArray:
    """Give how often each stranger was answered rightly, (n,)."""
    return np.asarray(np.mean([t.right for t in side if t.right is not None], axis=0))


def _compared(
    on: Ground, settings: Mapping[str, Any], own: Sequence[Tried], other: Sequence[Tried]
) -> Held:
    before, after = (_rightness(side) for side in (own, other))
    _, people = np.unique(on.strangers.subjects, return_inverse=True)

    def both(name: str) -> tuple[float, float]:
        first, second = (float(np.mean([getattr(t, name) for t in side])) for side in (own, other))
        return round(first, 4), round(second, 4)

    lost = paired_difference(before, after, people)
    return Held(settings, other[0].cost, both("accuracy"), both("gap"), both("seconds"), lost)
