"""A search's trials as an Optuna study in a file: what was tried, and where to look next."""

from __future__ import annotations

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

from unlearning.errors import IntegrityError, UsageError
from unlearning.search_space import Choice, Range, Real

DRAWN_FIRST = 4
"""Trials before the sampler follows what it has seen: the published settings, three at random."""

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


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

    def reached(self, records: Sequence[Mapping[str, Any]]) -> bool:
        """Whether these trials are all that may be made."""
        spent = sum(float(record["cost"]) for record in records)
        return len(records) >= self.trials or spent >= self.budget


Told = Callable[[int, int, Mapping[str, Any]], None]
"""Called after each trial with (trials done, trials at most, its record)."""


First = Callable[[], tuple[dict[str, Any], dict[str, Any]]]
"""Makes the trial that no sampler draws: its record, and its settings as if drawn."""

Then = Callable[[dict[str, Any], Sequence[Mapping[str, Any]]], dict[str, Any]]
"""Makes a trial of drawn settings, after the records of those before."""


def gone_on(
    study: optuna.Study,
    ranges: Mapping[str, Range],
    limits: Limits,
    first: First,
    then: Then,
    *,
    seed: int,
    told: Told,
) -> list[dict[str, Any]]:
    """Go on with a study until its limits and give the records of all its trials.

    A trial follows from the seed and those before it alone, so that an interrupted search ends as
    any other.
    """
    distributions = {key: distribution(of) for key, of in ranges.items()}
    while not limits.reached(records := records_of(study)):
        if not records:
            record, drawn = first()
            study.add_trial(as_trial(record, drawn, distributions))
        else:
            study.sampler = sampler(seed, len(records))
            trial = study.ask(distributions)
            record = then(plain(trial.params), records)
            tell(study, trial, record)
        told(len(records) + 1, limits.trials, record)
    return records


def in_full(record: Mapping[str, Any]) -> bool:
    """Say whether a trial was judged to the end."""
    return bool(record["opened"]) and record["objective"] is not None


def study_in(storage: Path, name: str) -> optuna.Study:
    """Open a method's study, or begin it; what a crash left of a last line is cut off.

    The caller holds the workspace. IntegrityError for a file that holds no study.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage.parent.mkdir(parents=True, exist_ok=True)
    _cut_torn(storage)
    kept = JournalFileBackend(str(storage))
    try:
        return optuna.create_study(
            study_name=name, storage=JournalStorage(kept), load_if_exists=True
        )
    except (ValueError, TypeError, LookupError, AttributeError, AssertionError) as problem:
        raise IntegrityError(
            f"{storage.parent.name}/{storage.name}: holds no trials as they were written, expected "
            "an unchanged file: remove it, and they are made again"
        ) from problem


def _cut_torn(storage: Path) -> None:
    """Cut off a last line without an end: the next one would be written behind it."""
    content = storage.read_bytes() if storage.is_file() else b""
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        with storage.open("r+b") as file:
            file.truncate(len(whole))


def records_of(study: optuna.Study) -> list[dict[str, Any]]:
    """Give what is finished; trials that a kill left running count for nothing."""
    return [trial.user_attrs["record"] for trial in study.get_trials(states=FINISHED)]


def sampler(seed: int, number: int) -> optuna.samplers.TPESampler:
    """Give the sampler of one trial, which follows from the seed and the trials before it."""
    drawn = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    return optuna.samplers.TPESampler(seed=drawn, n_startup_trials=DRAWN_FIRST, constant_liar=False)


def distribution(of: Range) -> BaseDistribution:
    """Say it in Optuna's words."""
    if isinstance(of, Real):
        return FloatDistribution(of.low, of.high, log=of.log)
    if isinstance(of, Choice):
        return CategoricalDistribution(of.values)
    return IntDistribution(of.low, of.high)


def plain(drawn: Mapping[str, Any]) -> dict[str, Any]:
    """Round to three figures, so that what is written is what was tried."""
    return {k: float(f"{v:.3g}") if isinstance(v, float) else v for k, v in drawn.items()}


def as_trial(
    record: Mapping[str, Any],
    drawn: Mapping[str, Any],
    distributions: dict[str, BaseDistribution],
) -> FrozenTrial:
    """Give a trial that no sampler drew."""
    whole, answers = in_full(record), record["objective"]
    return optuna.trial.create_trial(
        state=TrialState.COMPLETE if whole else TrialState.PRUNED,
        value=answers if whole else None,
        intermediate_values={} if answers is None or whole else {0: answers},
        params=dict(drawn),
        distributions=distributions,
        user_attrs={"record": dict(record)},
    )


def tell(study: optuna.Study, trial: optuna.Trial, record: Mapping[str, Any]) -> None:
    """Tell a trial's objective; one that was pruned told the sampler what its answers gave."""
    trial.set_user_attr("record", dict(record))
    if in_full(record):
        study.tell(trial, record["objective"])
        return
    if record["objective"] is not None:
        trial.report(record["objective"], step=0)
    study.tell(trial, state=TrialState.PRUNED)
