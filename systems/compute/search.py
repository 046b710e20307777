"""The search for a method's settings: an Optuna study, kept in a file so that it can go on.

Every method has the same budget, counted in passes forward and backward relative to retraining, so
that a dear setting uses up more of it and no favourite is tuned longer than a baseline.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from systems.compute.producing import generator
from unlearning.domain import Outputs, Split
from unlearning.errors import Diverged, UsageError
from unlearning.judging.candidates import with_retain_sample
from unlearning.methods import METHODS
from unlearning.networks import Classifier
from unlearning.outputs import outputs_of
from unlearning.search_space import (
    COST,
    LEAST_COST,
    MOST_COST,
    Choice,
    Gaps,
    Range,
    Real,
    Space,
    gaps,
    of_length,
    published,
    space_of,
)
from unlearning.training.loop import silent

DRAWN_FIRST = 4
"""Trials before the sampler follows what it has seen: the published settings, three at random."""

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True, eq=False)
class Yardstick:
    """What a tuning trial starts from and is compared with.

    retrained: outputs of the retrained model on `compared(split)`. retraining: the examples that it
    passed. seed: of every trial alike, so that settings differ and chance does not.
    """

    original: Classifier
    split: Split
    retrained: Outputs
    retraining: int
    seed: int


@dataclass(frozen=True)
class Tried:
    """One trial. cost: passes relative to retraining. gaps: None if it `diverged`, with why."""

    settings: Mapping[str, Any]
    cost: float
    seconds: float
    gaps: Gaps | None
    diverged: str = ""

    def as_record(self) -> dict[str, Any]:
        """Give it in the form in which it is kept and printed."""
        objective = None if self.gaps is None else round(self.gaps.objective, 5)
        return {**dataclasses.asdict(self), "objective": objective}


@dataclass(frozen=True)
class Limits:
    """When a search ends: trials, and the budget in retrainings' worth of passes."""

    trials: int
    budget: float

    def __post_init__(self) -> None:
        """Refuse a search that tries nothing."""
        if self.trials < 1 or not 0 < self.budget < float("inf"):
            raise UsageError(
                f"tune: got {self.trials} trials and a budget of {self.budget}, expected at least "
                "1 and above 0"
            )


Told = Callable[[int, int, Mapping[str, Any]], None]
"""Called after each trial with (trials done, trials at most, its record)."""


def compared(split: Split) -> Split:
    """Give what candidates are compared on: no holdout example, which are the gates' own."""
    nobody = split.holdout.take(np.arange(0))
    return dataclasses.replace(with_retain_sample(split), holdout=nobody)


def search(
    name: str, yardstick: Yardstick, storage: Path, limits: Limits, *, seed: int, told: Told
) -> list[dict[str, Any]]:
    """Go on with a method's study until its limits and give the records of all its trials.

    The first trial has the published settings, shortened to what a trial may cost. A trial follows
    from the seed and those before it alone, so that an interrupted search ends as any other.
    """
    space, study = space_of(name), _study(name, storage)
    distributions = {key: _distribution(of) for key, of in space.searched().items()}
    while not _enough(records := _records(study), limits):
        if not records:
            tried, drawn = _first(name, space, yardstick)
            study.add_trial(_as_trial(tried, drawn, distributions))
        else:
            study.sampler = _sampler(seed, len(records))
            trial = study.ask(distributions)
            tried = attempt(name, _plain(trial.params), yardstick)
            trial.set_user_attr("record", tried.as_record())
            _tell(study, trial, tried)
        told(len(records) + 1, limits.trials, tried.as_record())
    return records


def finished(name: str, storage: Path, limits: Limits) -> list[dict[str, Any]]:
    """Give the records of a study that came to its limits, none of one that did not."""
    records = _records(_study(name, storage)) if storage.is_file() else []
    return records if records and _enough(records, limits) else []


def best(records: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Give the trial with the smallest objective; Diverged if none has one."""
    finite = [record for record in records if record["objective"] is not None]
    if not finite:
        raise Diverged(f"tune: all {len(records)} trials diverged; allow more with --trials")
    return min(finite, key=lambda record: float(record["objective"]))


def attempt(name: str, drawn: Mapping[str, Any], yardstick: Yardstick) -> Tried:
    """Run a method with drawn settings, at the length that the drawn cost affords."""
    space, split = space_of(name), yardstick.split
    chosen = {key: value for key, value in drawn.items() if key != COST}
    method = METHODS.create(name, chosen)
    most = float(drawn.get(COST, MOST_COST)) * yardstick.retraining
    sizes = {"forget": len(split.forget), "retain": len(split.retain)}
    return _run(of_length(method, space, most=most, **sizes), space, yardstick)


def _first(name: str, space: Space, yardstick: Yardstick) -> tuple[Tried, dict[str, Any]]:
    """Try the published settings; give them as drawn too."""
    method = METHODS.create(name)
    sizes = {"forget": len(yardstick.split.forget), "retain": len(yardstick.split.retain)}
    if method.passes(*sizes.values()) > MOST_COST * yardstick.retraining:
        method = of_length(method, space, most=MOST_COST * yardstick.retraining, **sizes)
    tried = _run(method, space, yardstick)
    cost = {COST: min(MOST_COST, max(LEAST_COST, tried.cost))} if space.length else {}
    return tried, {**published(method, space), **cost}


def _run(method: Any, space: Space, yardstick: Yardstick) -> Tried:
    split, began = yardstick.split, time.perf_counter()
    names = [*space.ranges, *([space.length] if space.length else [])]
    settings = {name: getattr(method, name) for name in names}
    cost = method.passes(len(split.forget), len(split.retain)) / yardstick.retraining
    try:
        rng = generator(yardstick.seed)
        candidate = method.unlearn(yardstick.original, split.handed(), rng, silent)
        seconds = time.perf_counter() - began
        found = gaps(outputs_of(candidate, compared(split)), yardstick.retrained)
    except (Diverged, UsageError) as problem:  # settings that make no sense on these data
        return Tried(settings, cost, time.perf_counter() - began, None, str(problem))
    return Tried(settings, cost, seconds, found)


def _study(name: str, storage: Path) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage.parent.mkdir(parents=True, exist_ok=True)
    kept = JournalStorage(JournalFileBackend(str(storage)))
    return optuna.create_study(study_name=name, storage=kept, load_if_exists=True)


def _records(study: optuna.Study) -> list[dict[str, Any]]:
    """Give what is finished; trials that a kill left running count for nothing."""
    return [trial.user_attrs["record"] for trial in study.get_trials(states=FINISHED)]


def _enough(records: Sequence[Mapping[str, Any]], limits: Limits) -> bool:
    spent = sum(float(record["cost"]) for record in records)
    return len(records) >= limits.trials or spent >= limits.budget


def _sampler(seed: int, number: int) -> optuna.samplers.TPESampler:
    drawn = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    return optuna.samplers.TPESampler(seed=drawn, n_startup_trials=DRAWN_FIRST, constant_liar=False)


def _distribution(of: Range) -> BaseDistribution:
    if isinstance(of, Real):
        return FloatDistribution(of.low, of.high, log=of.log)
    if isinstance(of, Choice):
        return CategoricalDistribution(of.values)
    return IntDistribution(of.low, of.high)


def _plain(drawn: Mapping[str, Any]) -> dict[str, Any]:
    """Round to three figures, so that what is written is what was tried."""
    return {k: float(f"{v:.3g}") if isinstance(v, float) else v for k, v in drawn.items()}


def _as_trial(
    tried: Tried, drawn: Mapping[str, Any], distributions: dict[str, BaseDistribution]
) -> FrozenTrial:
    return optuna.trial.create_trial(
        state=TrialState.PRUNED if tried.gaps is None else TrialState.COMPLETE,
        value=None if tried.gaps is None else tried.gaps.objective,
        params=dict(drawn),
        distributions=distributions,
        user_attrs={"record": tried.as_record()},
    )


def _tell(study: optuna.Study, trial: optuna.Trial, tried: Tried) -> None:
    if tried.gaps is None:
        study.tell(trial, state=TrialState.PRUNED)
    else:
        study.tell(trial, tried.gaps.objective)
