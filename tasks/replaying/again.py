"""A released retraining is done again from the data, and its weights are held against the bundle's.

What the evidence says of how a network was made is a claim of whoever signed it. Here the claim is
carried out: on an equal profile the digests must be the same; on another the distance is told.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ledger.replay.draws import DISTANCE, IMPOSSIBLE, MISMATCH, REPRODUCED
from systems.compute.repeating import Distance, distance, made_again
from systems.registry import models
from tasks.replaying.material import Impossible, Material, Untrue, in_folder, in_workspace, nobody
from tasks.running import progress
from tasks.running.bases import files
from tasks.running.opened import Opened
from unlearning.digests import sha256_file
from unlearning.domain import Decision, Split
from unlearning.errors import AttemptFailed
from unlearning.training.pinned import Kernels, packages, profile_of

REPLAYABLE = frozenset({"retrain", "warm_retrain"})
"""Exact methods that need nothing of what was erased."""

MACHINE = ("device", "processor", "packages", "build", "code", "told")
"""Of a profile, what is known before any training."""


@dataclass(frozen=True)
class Replay:
    """What came of doing a run's retraining again.

    differs: of the profile, [the run's, the one here] by name. far: None where it was not measured.
    holdout: what is to be said of the examples on which answers were compared.
    """

    run: str
    outcome: str
    why: str | None = None
    released: str | None = None
    replayed: str | None = None
    differs: Mapping[str, list[Any]] | None = None
    far: Distance | None = None
    holdout: str | None = None

    def as_record(self) -> dict[str, Any]:
        """Give it as the log and the command line tell it."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    @property
    def problem(self) -> str | None:
        """Say in a line what is wrong, None unless something is."""
        if self.outcome != MISMATCH or self.why:
            return self.why if self.outcome == MISMATCH else None
        near = "" if self.far is None else f", largest difference {self.far.largest:.3g}"
        return (
            f"replay of {self.run}: retraining on an equal profile gives weights "
            f"{str(self.replayed)[:16]}, the evidence has {str(self.released)[:16]}{near}: they "
            "were not trained from these data as it says; do not rely on it, and ask who signed it"
        )


def replayed(
    at: Opened | None,
    statement: Mapping[str, Any],
    *,
    data: Path | None = None,
    candidate: Path | None = None,
) -> Replay:
    """Retrain what a verified statement released, and compare.

    at: the workspace that has the data, unless `data`, a copy of data/, is given. candidate: the
    released weights, for a distance, where no registry here has them. A mismatch with its reason,
    where nothing had to be trained to see that the evidence cannot be true of the data.
    """
    run = str(statement["run"])
    try:
        attempt = _released(statement)
        with tempfile.TemporaryDirectory(prefix="lethe-replay-") as folder:
            return _compared(at, run, attempt, Path(folder), data, candidate)
    except Impossible as problem:
        return Replay(run, IMPOSSIBLE, f"cannot be replayed: {problem}")
    except Untrue as problem:
        return Replay(run, MISMATCH, str(problem))


def elsewhere(differs: Mapping[str, Any]) -> bool:
    """Say whether this machine is otherwise in something that a replay's profile differed in."""
    here = profile_of(Kernels(), "fp32").as_record()
    return any(here[name] != differs[name][1] for name in MACHINE if name in differs)


def _released(statement: Mapping[str, Any]) -> Mapping[str, Any]:
    attempts = statement["attempts"]
    if statement["decision"] != Decision.RELEASED or not attempts:
        raise Impossible(f"nothing was released, the decision is {statement['decision']}")
    attempt: Mapping[str, Any] = attempts[-1]
    if not attempt["exact"]:
        raise Impossible(
            f"{attempt['method']} is no retraining: it reads the examples that it made forgotten"
        )
    if attempt["method"] not in REPLAYABLE:
        raise Impossible(
            f"{attempt['method']} began from the weights of before, which learned from the erased: "
            "its bound, which `lethe verify` checks, is its proof"
        )
    if "replay" not in attempt:
        raise Impossible(
            "its evidence does not say on what it was trained: it is of before that, or of a "
            "generator"
        )
    return attempt


def _compared(
    at: Opened | None,
    run: str,
    attempt: Mapping[str, Any],
    folder: Path,
    data: Path | None,
    candidate: Path | None,
) -> Replay:
    found = _material(at, run, attempt, data)
    none = nobody(found.retain)
    split = Split(none, found.retain, found.holdout, none, found.classes)
    target = folder / "again.safetensors"
    try:
        made = made_again(
            attempt,
            split,
            target,
            ancestors=_ancestors(at, attempt),
            backbone=_backbone(at, attempt),
            progress=progress.epochs,
        )
    except AttemptFailed as problem:
        raise Impossible(str(problem)) from problem
    released, there = str(attempt["sha256"]), dict(made.profile or {})
    differs = _differences(attempt["replay"]["profile"], there)
    near = _distance(candidate or _registered(at, run, released), released, target, found)
    told = (released, made.sha256, differs or None, near, found.doubt if near else None)
    if differs or not there["deterministic"]:
        return Replay(run, DISTANCE, _why(differs), *told)
    return Replay(run, REPRODUCED if made.sha256 == released else MISMATCH, None, *told)


def _material(
    at: Opened | None, run: str, attempt: Mapping[str, Any], data: Path | None
) -> Material:
    stated = attempt["replay"]
    if data is not None:
        return in_folder(data, stated)
    if at is None:
        raise Impossible("there are no data here: name them with --data")
    return in_workspace(at, run, stated, packages() == stated["profile"]["packages"])


def _ancestors(at: Opened | None, attempt: Mapping[str, Any]) -> tuple[Path, ...]:
    """Give the files of the bases that it began from; Impossible if one is gone."""
    named = attempt.get("ancestors", [])
    if named and at is None:
        raise Impossible("it began from bases, which only its workspace has")
    try:
        return files(at, named) if at and named else ()
    except AttemptFailed as problem:
        raise Impossible("it began from bases of which one at least is gone") from problem


def _backbone(at: Opened | None, attempt: Mapping[str, Any]) -> Path | None:
    if attempt["replay"]["recipe"].get("head") is None:
        return None
    if at is None or not at.ws.backbone.is_file():
        raise Impossible("the frozen backbone is not here, expected it in artifacts/")
    return at.ws.backbone


def _registered(at: Opened | None, run: str, sha256: str) -> Path | None:
    """Give the released weights as the registry still has them."""
    if at is None:
        return None
    stored = models.versions(at.ws.mlruns, at.params.model.name)
    found = (v.weights for v in stored if v.sha256 == sha256 and v.weights.is_file())
    return next(found, None)


def _distance(
    weights: Path | None, released: str, target: Path, found: Material
) -> Distance | None:
    if weights is None or sha256_file(weights) != released:
        return None
    return distance(weights, target, found.holdout)


def _differences(run: Mapping[str, Any], here: Mapping[str, Any]) -> dict[str, list[Any]]:
    names = sorted({*run, *here})
    return {k: [run.get(k), here.get(k)] for k in names if run.get(k) != here.get(k)}


def _why(differs: Mapping[str, Any]) -> str:
    if not differs:
        return "torch has no deterministic form of a kernel that it takes on this device"
    return f"another profile than the run's: {', '.join(differs)}; only a distance can be told"
