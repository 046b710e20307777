"""Climbing the ladder: which method is tried next, the attempt itself, and its judgement."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ledger.requests import State
from tasks import models
from tasks.computing import make_method, unlearn
from tasks.judging import Basis, Judged, Pictures, basis_of, judge_candidate
from tasks.policy import Rung
from tasks.steps import reporting
from tasks.steps.references import class_out, geometry_notes
from tasks.steps.running import Run, ladder, read_json, seed_of, write_json
from tasks.steps.workdata import bank_of, split_of, training_of
from unlearning.digests import digest_of
from unlearning.domain import Decision, Outcome
from unlearning.effects import diverged
from unlearning.errors import Diverged
from unlearning.judging import gates_of
from unlearning.methods import METHODS
from unlearning.shadows import write_arrays


@dataclass(frozen=True)
class Attempt:
    """One try of the ladder: its number from 0, and what is tried."""

    number: int
    method: str
    settings: Mapping[str, Any]

    @property
    def exact(self) -> bool:
        """Whether the method is exact retraining by ourselves."""
        return METHODS[self.method].exact


def weights_path(run: Run, number: int) -> Path:
    """Name a candidate's file."""
    return run.folder / f"attempt-{number}.safetensors"


def record_path(run: Run, number: int) -> Path:
    """Name the file that says all about an attempt."""
    return run.folder / f"attempt-{number}.json"


def scores_path(run: Run, number: int) -> Path:
    """Name the file of an attempt's scores, for the report's pictures."""
    return run.folder / f"scores-{number}.safetensors"


def next_attempt(run: Run) -> Attempt | None:
    """Give what to try next, None when a candidate is released or nothing is left to try.

    A refused exact retraining is tried once more with another seed. An attempt that a crash left
    judged but not traced is given again: the journal has all of it but the trace.
    """
    judged, rungs = attempts_done(run), ladder(run)
    number = len(judged)
    if number and run.done(f"traced-{number - 1}") is None:
        return _attempt(rungs, number - 1)
    if judged and judged[-1]["decision"] == Decision.RELEASED:
        return None
    tries = len(rungs) + METHODS[rungs[-1].method].exact
    return _attempt(rungs, number) if number < min(tries, run.policy().attempts) else None


def _attempt(rungs: Sequence[Rung], number: int) -> Attempt:
    rung = rungs[min(number, len(rungs) - 1)]
    return Attempt(number, rung.method, rung.settings)


def attempts_done(run: Run) -> list[dict[str, Any]]:
    """Give the records of the attempts that were judged, in order."""
    done: list[dict[str, Any]] = []
    while run.done(f"judged-{len(done)}") is not None:
        done.append(read_json(record_path(run, len(done))))
    return done


def produce(run: Run, attempt: Attempt) -> dict[str, Any]:
    """Run the method on the parent and keep the candidate's weights; divergence is a result."""
    run.move(State.UNLEARNING, f"-{attempt.number}")
    return run.once(f"unlearned-{attempt.number}", lambda: _produce(run, attempt))


def _produce(run: Run, attempt: Attempt) -> dict[str, Any]:
    seed = seed_of(run, attempt.number)
    method = make_method(attempt.method, attempt.settings, training_of(run))
    parent = models.verified(run.parent())
    described = {
        "attempt": attempt.number,
        "method": attempt.method,
        "exact": attempt.exact,
        "settings": dataclasses.asdict(method),  # type: ignore[call-overload]
        "seed": seed,
    }
    target = weights_path(run, attempt.number)
    try:
        made = unlearn(parent, split_of(run), method, seed, target, reporting.epochs)
        outcome = dataclasses.asdict(made) | {"error": None}
    except Diverged as problem:
        outcome = {"sha256": None, "error": str(problem)}
    write_json(record_path(run, attempt.number), described | outcome)
    return {
        "method": attempt.method,
        "settings": digest_of(described["settings"]),
        "seed": seed,
        "sha256": outcome["sha256"],
    }


def judge(run: Run, attempt: Attempt) -> str:
    """Measure the candidate, ask every gate, and give the decision on it."""
    run.move(State.JUDGING, f"-{attempt.number}")
    body = run.once(f"judged-{attempt.number}", lambda: _judge(run, attempt))
    return str(body["decision"])


def _judge(run: Run, attempt: Attempt) -> dict[str, Any]:
    path = record_path(run, attempt.number)
    record = read_json(path)
    if record["sha256"] is None:
        judged = _diverged(str(record["error"]))
    else:
        judged = _judge_weights(run, attempt)
    write_json(path, record | judged)
    outcomes = {verdict["gate"]: verdict["outcome"] for verdict in judged["verdicts"]}
    return {"decision": judged["decision"], "verdicts": outcomes, "sha256": record["sha256"]}


def _diverged(problem: str) -> dict[str, Any]:
    failed = {"gate": "integrity", "outcome": str(Outcome.FAILED), "reason": problem}
    return {
        "decision": str(Decision.REFUSED),
        "verdicts": [failed],
        "effect": _plain(diverged(problem)),
    }


def _judge_weights(run: Run, attempt: Attempt) -> dict[str, Any]:
    basis, notes = _basis(run)
    judged, pictures = judge_candidate(
        weights_path(run, attempt.number),
        basis,
        gates_of(run.policy().gates),
        level=run.policy().level,
        exact=attempt.exact,
    )
    write_arrays(scores_path(run, attempt.number), as_arrays(pictures))
    return {**as_json(judged), **notes}


@lru_cache(maxsize=1)
def _basis(run: Run) -> tuple[Basis, Mapping[str, Any]]:
    """Give what all attempts of a run are judged on, and notes on it for their records.

    The parent, the forget set and the policy of a run never change; a run that goes on after a
    crash computes it again.
    """
    split, gates = split_of(run), gates_of(run.policy().gates)
    apart = class_out(run.at, run.forget_ids()["train"], split, gates)
    notes = geometry_notes(split, gates, apart)
    if apart:
        run.once("class-out-models", lambda: notes["class_out_models"])
    compared = [made.weights for made in apart]
    return basis_of(models.verified(run.parent()), split, bank_of(run), compared), notes


def as_arrays(pictures: Pictures) -> dict[str, np.ndarray]:
    """Give the arrays by name."""
    return {field.name: getattr(pictures, field.name) for field in dataclasses.fields(pictures)}


def as_json(judged: Judged) -> dict[str, Any]:
    """Give a judgement in the form in which it is recorded and printed."""
    return {
        "decision": str(judged.decision),
        "verdicts": [_plain(verdict) for verdict in judged.verdicts],
        "controls": [_plain(control) for control in judged.controls],
        "measurements": [_plain(measured) for measured in judged.measured.values()],
        "accuracy": dict(judged.accuracy),
        "effect": _plain(judged.effect),
    }


def _plain(value: Any) -> dict[str, Any]:
    """Numbers that JSON cannot hold become null: missing evidence stays visible as missing."""
    fields = dataclasses.asdict(value)
    return {
        k: None if isinstance(v, float) and not np.isfinite(v) else v for k, v in fields.items()
    }
