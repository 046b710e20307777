"""The search for a method's settings: an Optuna study, kept in a file so that it can go on.

What is made small is how far a candidate is from passing the gates, on a rehearsal. A trial is
pruned before the dear part of judging wherever that cannot make it the best. Every method has the
same budget, counted in passes forward and backward relative to retraining, so that a dear setting
uses up more of it and no favourite is tuned longer than a baseline.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path
from typing import Any

from systems.compute.attempting import Losses, attempted
from systems.compute.away import Send, unlearned
from systems.compute.studies import Limits, Told, gone_on, in_full, study_in
from unlearning.contracts import Method
from unlearning.errors import AttemptFailed, Hindered, UsageError
from unlearning.judging.distance import Distance
from unlearning.judging.rehearsing import Found, Rehearsed
from unlearning.methods import METHODS
from unlearning.networks import Classifier
from unlearning.search_space import (
    COST,
    LEAST_COST,
    MOST_COST,
    Space,
    of_length,
    published,
    space_of,
)
from unlearning.training.loop import silent


@dataclass(frozen=True, eq=False)
class Yardstick:
    """What a tuning trial starts from and is judged by.

    retraining: the examples that retraining would pass. seed: of every trial alike, so that
    settings differ and chance does not. away: has workers elsewhere do what a trial costs.
    """

    rehearsed: Rehearsed
    retraining: int
    seed: int
    away: Send | None = None

    def cost(self, method: Method) -> float:
        """Give the examples that a method passes, relative to retraining."""
        return method.passes(**self.sizes) / self.retraining

    @property
    def sizes(self) -> dict[str, int]:
        """Count what is forgotten and what stays."""
        split = self.rehearsed.split
        return {"forget": len(split.forget), "retain": len(split.retain)}


@dataclass(frozen=True)
class Tried:
    """One trial. cost: passes relative to retraining. found: None if there is no candidate."""

    settings: Mapping[str, Any]
    cost: float
    seconds: float
    found: Found | None
    problem: str = ""

    def as_record(self) -> dict[str, Any]:
        """Give it in the form in which it is kept and printed.

        objective: the distance from passing, by `worst`; a lower bound where `opened` is false.
        """
        found = self.found
        far = None if found is None or not isfinite(found.distance.value) else found.distance
        return {
            "settings": dict(self.settings),
            "cost": self.cost,
            "seconds": self.seconds,
            "objective": None if far is None else round(float(far.value), 5),
            "worst": None if far is None else far.worst,
            "opened": found is not None and found.opened,
            "effect": "failed" if found is None else str(found.kind),
            "problem": self.problem,
        }


def search(
    name: str, yardstick: Yardstick, storage: Path, limits: Limits, *, seed: int, told: Told
) -> list[dict[str, Any]]:
    """Go on with a method's study until its limits and give the records of all its trials.

    The first trial has the published settings, shortened to what a trial may cost. A trial follows
    from the seed and those before it alone, so that an interrupted search ends as any other.
    """
    space = space_of(name)

    def first() -> tuple[dict[str, Any], dict[str, Any]]:
        tried, drawn = _first(name, space, yardstick)
        return tried.as_record(), drawn

    def then(drawn: dict[str, Any], records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return attempt(name, drawn, yardstick, nearest(records)).as_record()

    study = study_in(storage, name)
    return gone_on(study, space.searched(), limits, first, then, seed=seed, told=told)


def nearest(records: Sequence[Mapping[str, Any]]) -> float:
    """Give the smallest objective of the trials that were judged in full, infinite without any."""
    return min((float(r["objective"]) for r in records if in_full(r)), default=inf)


def best(records: Sequence[Mapping[str, Any]], untouched: Distance) -> Mapping[str, Any] | None:
    """Give the trial that is nearest to passing, of equals the cheapest.

    None unless one is nearer than the `untouched` original: whoever did nothing never wins.
    """
    better = [r for r in records if in_full(r) and r["objective"] < round(untouched.value, 5)]
    return min(better, key=lambda r: (r["objective"], r["cost"]), default=None)


def attempt(name: str, drawn: Mapping[str, Any], yardstick: Yardstick, nearest: float) -> Tried:
    """Run a method with drawn settings, at the length that the drawn cost affords.

    nearest: the smallest objective so far; see `Rehearsed.judge`.
    """
    space = space_of(name)
    chosen = {key: value for key, value in drawn.items() if key != COST}
    method = METHODS.create(name, chosen)
    most = float(drawn.get(COST, MOST_COST)) * yardstick.retraining
    return _run(of_length(method, space, most=most, **yardstick.sizes), space, yardstick, nearest)


def _first(name: str, space: Space, yardstick: Yardstick) -> tuple[Tried, dict[str, Any]]:
    """Try the published settings; give them as drawn too."""
    method = METHODS.create(name)
    if yardstick.cost(method) > MOST_COST:
        most = MOST_COST * yardstick.retraining
        method = of_length(method, space, most=most, **yardstick.sizes)
    tried = _run(method, space, yardstick, inf)
    cost = {COST: min(MOST_COST, max(LEAST_COST, tried.cost))} if space.length else {}
    return tried, {**published(method, space), **cost}


def _run(method: Any, space: Space, yardstick: Yardstick, nearest: float) -> Tried:
    names = [*space.ranges, *([space.length] if space.length else [])]
    settings = {name: getattr(method, name) for name in names}
    cost, began = yardstick.cost(method), time.perf_counter()
    try:
        candidate = candidate_of(yardstick.rehearsed, method, yardstick.seed, yardstick.away)
        seconds = time.perf_counter() - began
        found = yardstick.rehearsed.judge(candidate, nearest)
    except (AttemptFailed, UsageError) as problem:  # settings that make no sense on these data
        if isinstance(problem, Hindered):
            raise
        return Tried(settings, cost, time.perf_counter() - began, None, str(problem))
    return Tried(settings, cost, seconds, found)


def candidate_of(rehearsed: Rehearsed, method: Method, seed: int, away: Send | None) -> Classifier:
    """Run a method on a rehearsal's original, here or away, as a run would: AttemptFailed too."""
    losses = Losses(silent)
    given = method, rehearsed.original, rehearsed.split.handed(), seed, losses
    made = attempted(*given) if away is None else unlearned(away, *given)
    return made.candidate
