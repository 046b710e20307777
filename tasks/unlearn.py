"""Climbing the ladder: which method is tried next, and the candidate that it makes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger.domain import State
from ledger.evidence import json_value, read_part
from ledger.replay.ancestry import BY_ANCESTORS
from ledger.replay.bundles import RECORDS
from ledger.replay.retained import LIST
from systems.compute.producing import Produced, unlearn
from systems.registry import models
from systems.settings.policy import EXACT, Rung
from tasks.replaying.retained import note
from tasks.running import progress
from tasks.running.bases import files
from tasks.running.computing import away
from tasks.running.methods import method_of
from tasks.running.parts import holdout_after, split_of
from tasks.running.run import Run, ladder, read_json, seed_of, write_json
from unlearning import networks
from unlearning.contracts import Method
from unlearning.digests import digest_of
from unlearning.domain import Decision, Split
from unlearning.errors import AttemptFailed, Hindered, InfrastructureError
from unlearning.generation.contract import Forgetter
from unlearning.training.pinned import digest_of_examples


@dataclass(frozen=True)
class Attempt:
    """One try of the ladder: its number from 0, and what is tried."""

    number: int
    method: str
    settings: Mapping[str, Any]

    @property
    def exact(self) -> bool:
        """Whether the method is exact retraining by ourselves."""
        return self.method in EXACT

    @property
    def label(self) -> str:
        """As it is called where people look: counted from 1, with its method."""
        return f"{self.number + 1}: {self.method}"


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
    tries = len(rungs) + (rungs[-1].method in EXACT)
    return _attempt(rungs, number) if number < min(tries, run.policy().attempts) else None


def _attempt(rungs: Sequence[Rung], number: int) -> Attempt:
    rung = rungs[min(number, len(rungs) - 1)]
    return Attempt(number, rung.method, rung.settings)


def attempts_done(run: Run) -> list[dict[str, Any]]:
    """Give the records of the attempts that were judged, in order."""
    done: list[dict[str, Any]] = []
    while run.done(f"judged-{len(done)}") is not None:
        done.append(_record(run, len(done)))
    return done


def _record(run: Run, number: int) -> dict[str, Any]:
    """Give an attempt's record: from the run's folder, or once that is lost from the bundle.

    Where the bundle is lost too, what the log tells of it has to do: all was decided and sealed.
    """
    if run.done("sealed") is None or record_path(run, number).is_file():
        return begun_record(run, number)
    digest = (run.done("decided") or {})["records"][number]
    sealed = json_value(read_part(run.bundle, RECORDS))
    for record in sealed if isinstance(sealed, list) else []:
        if digest_of(record) == digest:
            return dict(record)
    return _told(run, number)


def _told(run: Run, number: int) -> dict[str, Any]:
    made, judged = run.done(f"unlearned-{number}") or {}, run.done(f"judged-{number}") or {}
    reason = "the record is lost"
    verdicts = [{"gate": g, "outcome": o, "reason": reason} for g, o in judged["verdicts"].items()]
    return {
        "attempt": number,
        "method": made["method"],
        "exact": made["method"] in EXACT,
        "settings": {},
        "seed": made["seed"],
        "sha256": made["sha256"],
        "decision": judged["decision"],
        "verdicts": verdicts,
    }


def begun_record(run: Run, number: int) -> dict[str, Any]:
    """Read the record of an attempt that is not sealed; InfrastructureError if it is lost."""
    return dict(read_json(present(run, record_path(run, number))))


def present(run: Run, path: Path) -> Path:
    """Give a file of the run's folder that cannot be made again; InfrastructureError if lost."""
    if not path.is_file():
        raise InfrastructureError(
            f"{run.ref}/{path.name}: is not there, expected what the run had made; put it back "
            f"from your backup, or leave the run: `lethe abort {run.ref} --reason TEXT`, then "
            "forget again"
        )
    return path


def make_candidate(run: Run, attempt: Attempt) -> dict[str, Any]:
    """Run the method on the parent and keep the candidate's weights; that it failed is a result."""
    run.move(State.UNLEARNING, f"-{attempt.number}")
    return run.once(f"unlearned-{attempt.number}", lambda: _produce(run, attempt))


def _replayable(
    run: Run, split: Split, target: Path, profile: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Say what an exact retraining followed from, so that it can be done again."""
    if profile is None:
        return {}
    told = {
        "profile": profile,
        "recipe": networks.load(target).recipe.as_record(),
        "examples": len(split.retain),
        "data": digest_of_examples(split.retain),
        "holdout": digest_of_examples(holdout_after(run)),
    }
    return {"replay": told}


def _produce(run: Run, attempt: Attempt) -> dict[str, Any]:
    seed = seed_of(run, attempt.number)
    method = method_of(run.at, attempt.method, attempt.settings)
    parent = models.verified(run.parent())
    described = {
        "attempt": attempt.number,
        "method": attempt.method,
        "exact": attempt.exact,
        "settings": dataclasses.asdict(method),  # type: ignore[call-overload]
        "seed": seed,
        **({"cluster": True} if run.at.params.compute.cluster else {}),
    }
    if attempt.method in BY_ANCESTORS:
        described["ancestors"] = (run.done("extracted") or {})["lineage"]["ancestors"]
    target, hindered = weights_path(run, attempt.number), False
    listed: dict[str, str] = {}
    try:
        ancestors, split = files(run.at, described.get("ancestors", [])), split_of(run)
        made = _made(run, parent, split, method, seed, target, ancestors)
        outcome = dataclasses.asdict(made) | {"error": None}
        profile = outcome.pop("profile")
        outcome |= _replayable(run, split, target, profile)
        if profile is not None:
            listed = {LIST: note(run, attempt.number, split.retain.ids)}
    except AttemptFailed as problem:
        hindered = isinstance(problem, Hindered)
        outcome = {"sha256": None, "error": str(problem)}
    write_json(record_path(run, attempt.number), described | outcome)
    return {
        "method": attempt.method,
        "rung": run.policy().named(Rung(attempt.method, attempt.settings)),
        "settings": digest_of(described["settings"]),
        "seed": seed,
        "sha256": outcome["sha256"],
        **listed,
        **({"hindered": True} if hindered else {}),
        **({"parts": outcome["parts"]} if outcome.get("parts", 1) > 1 else {}),
    }


def _made(
    run: Run,
    parent: Path,
    split: Split,
    method: Method | Forgetter,
    seed: int,
    target: Path,
    ancestors: Sequence[Path],
) -> Produced:
    """Run the method, of a classifier or of a generator."""
    if isinstance(method, Forgetter):
        from systems.compute.generating import forget

        return forget(parent, split, method, seed, target, progress.epochs)
    return unlearn(
        *(parent, split, method, seed, target, progress.epochs, ancestors),
        processes=run.at.params.compute.processes,
        away=away(run.at),
    )
