"""The commands that judge, train to compare with, audit and tune; the champion stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flows.cli.progress import bar, counter
from flows.cli.work.opening import ready
from systems.registry import models
from systems.settings.params import change_params, check_seed
from systems.settings.policy import load_policy
from tasks import adopt as adopting
from tasks.running import progress
from tasks.running.champion import sealed_champion
from tasks.running.opened import opened
from unlearning.errors import UsageError


def judge(
    path: Path, request: str, candidate: Path | None, version: int | None, policy: Path | None
) -> dict[str, Any]:
    """Judge a file or a registered version by a request; it counts as made elsewhere."""
    if (candidate is None) == (version is None):
        raise UsageError("judge: expected either --candidate FILE or --version N")
    with ready(path) as at:
        from tasks.judge import judge_for

        name = at.params.model.name
        weights = candidate or models.verified(models.version(at.ws.mlruns, name, version or 0))
        chosen = policy or at.ws.policy
        found = judge_for(at, request, weights, chosen)
        return {**found, "policy": adopting.standing(at.ledger, chosen)}


def train(path: Path, without: str | None, shadows: int | None, seed: int | None) -> dict[str, Any]:
    """Train a network to compare with, or complete the bank."""
    if shadows is not None and without is not None:
        raise UsageError("train: got --without and --shadows, expected one of them")
    if seed is not None:
        check_seed(seed, "--seed")
    with ready(path) as at:
        from tasks import train as originals
        from tasks.extract import find
        from tasks.running.computing import require_cluster
        from unlearning.domain import TRAIN

        if shadows is not None:
            if at.params.generator is not None:
                raise UsageError(
                    "train --shadows: got for a model that draws pictures, expected a classifier: "
                    "models to compare a generator with are trained for each request"
                )
            sealed_champion(at)
            require_cluster(at)
            adopting.check_bank(load_policy(at.ws.policy), shadows)
            change_params(at.ws.root, {"bank.shadows": shadows})
            reason = f"lethe train --shadows {shadows}"
            adopting.adopt(at.ws, at.ledger, at.ws.params, reason, adopting.PARAMS)
            return originals.build_bank(opened(at.root))
        ids = find(at.ws, [at.ledger.selector(without)])[TRAIN] if without else []
        made = originals.train(at, without=ids, seed=seed)
        record = made.as_record()
        return {"model": record.pop("weights"), **record}


def audit(
    path: Path, request: str, candidate: Path | None, version: int | None, models: int
) -> dict[str, Any]:
    """Hold the workspace and audit; nothing is decided."""
    with ready(path) as at, progress.shown(bar("training"), counter("audits", "audits")):
        from flows.audit import audit as audit_flow

        found: dict[str, Any] = audit_flow(at.root, request, candidate, version, models)
        return found


def tune(
    path: Path,
    method: str,
    class_name: str | None,
    examples: int | None,
    *,
    limits: tuple[int, float],
    seed: int,
) -> dict[str, Any]:
    """Tune a method, or `retrain`'s training, within `limits`: trials, and retrainings' passes."""
    check_seed(seed, "--seed")
    count = counter("tuning", "trials")

    def shown(done: int, total: int, record: Any) -> None:
        count(done, total)

    with ready(path) as at:
        from systems.compute.studies import Limits
        from tasks.tuning import methods, recipe

        rehearsal = methods.Rehearsal(class_name, examples)
        if method != recipe.METHOD:
            return methods.tune(at, method, rehearsal, Limits(*limits), seed, shown)
        if rehearsal != methods.Rehearsal():
            raise UsageError(
                "--class, --examples: got one with --method retrain, which forgets nobody here; "
                "expected neither"
            )
        return recipe.tune(at, Limits(*limits), seed, shown)


def repeat(
    path: Path,
    method: str,
    class_name: str | None,
    examples: int | None,
    count: int,
    *,
    seed: int,
) -> dict[str, Any]:
    """Try the policy's rung of a method on so many rehearsals, for `plan` to know its chance."""
    check_seed(seed, "--seed")
    shown = counter("rehearsing", "rehearsals")
    with ready(path) as at:
        from tasks.planning import rehearse
        from tasks.tuning.methods import Rehearsal

        return rehearse.repeat(at, method, Rehearsal(class_name, examples), count, seed, shown)
