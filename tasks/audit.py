"""The steps of an audit: whose examples, models to compare with, every audit, and the report.

Between them travel references, paths and digests; ids are looked up again where they are needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger.domain import DeletionRequest, State
from systems.data import versions
from systems.expectations.rules import finite
from systems.registry import models
from tasks.extract import find, refusal
from tasks.references import references
from tasks.running import progress
from tasks.running.champion import sealed_champion
from tasks.running.opened import Opened
from tasks.running.parts import cut, ensure_bank
from tasks.running.records import utc_now
from tasks.running.run import write_json
from tasks.train import Trained, recipe_of
from unlearning import networks
from unlearning.bank.shadows import load_bank
from unlearning.counting import numbered
from unlearning.digests import canonical_json, sha256_file, sha256_hex
from unlearning.domain import TRAIN
from unlearning.errors import RequestDenied, UsageError

ERASED = (State.PURGING, State.COMPLETE)
NO_COPIES = (
    "retrained without the request's examples: they never saw them and hold nothing of them; "
    "they go with the next erasure"
)


@dataclass(frozen=True)
class Case:
    """What is audited: by whose request, which weights, beside which original; opaque all."""

    request: str
    weights: Path
    candidate_sha256: str
    original_sha256: str


def begin(at: Opened, request: str, candidate: Path | None, version: int | None) -> Case:
    """Find the weights, without either of the two the champion's, and check that it can be done."""
    if candidate is not None and version is not None:
        raise UsageError("audit: got --candidate and --version, expected one of them, or neither")
    champion, weights = sealed_champion(at), candidate
    if weights is None:
        name = at.params.model.name
        found = champion if version is None else models.version(at.ws.mlruns, name, version)
        weights = models.verified(found)
    networks.load(weights, recipe_of(at))
    held_ids(at, request)
    return Case(request, weights.resolve(), sha256_file(weights), champion.sha256)


def held_ids(at: Opened, request: str) -> dict[str, list[str]]:
    """Give a request's ids by split: personal data; RequestDenied where nothing can be measured."""
    found = at.ledger.request(request)
    if found.state in ERASED:
        raise RequestDenied(
            f"request {request}: its examples were erased by {found.run}, expected examples that "
            "are still held; audit before `lethe forget`"
        )
    ids = find(at.ws, [at.ledger.selector(request)])
    reason = refusal(at, ids)
    if reason is None and not ids[TRAIN]:
        reason = "selects no training example, expected some: no model learned from the others"
    if reason:
        raise RequestDenied(f"request {request}: {reason}")
    return ids


def retrain(at: Opened, case: Case, count: int) -> tuple[Trained, ...]:
    """Give the models to compare with, trained where they are missing."""
    if count < 1:
        raise UsageError(f"--models: got {count}, expected at least 1, and 3 for ranges")
    return references(at, held_ids(at, case.request)[TRAIN], count)


def measure(at: Opened, case: Case, retrained: Sequence[Trained]) -> list[dict[str, Any]]:
    """Run every audit; what could not be measured is in the list with its reason."""
    from unlearning.audits.ranges import audited
    from unlearning.audits.running import ground_of

    recipe = recipe_of(at)
    # A class is compared with holdout examples of its own by the audits themselves, and probes
    # need those of all classes; only an attribute has to be selected here.
    asked = at.ledger.selector(case.request)
    likewise = asked.kind == "where" and not asked.only
    ground = ground_of(
        cut(at, held_ids(at, case.request), likewise=likewise),
        networks.load(models.verified(sealed_champion(at))),
        [networks.load(model.weights) for model in retrained],
        load_bank(ensure_bank(at, recipe)),
    )
    candidate = ground.model(networks.load(case.weights, recipe))
    rows = [as_row(found) for found in audited(ground, candidate, progress.models)]
    return [*rows, _erased_before(at, case.request)]


def as_row(audited: Any) -> dict[str, Any]:
    """Give what one audit measured as plain values; what is no number becomes null."""
    measured = [
        {
            **{key: _plain(value) for key, value in vars(placed.measurement).items()},
            "reference_low": finite(placed.reference_low),
            "reference_high": finite(placed.reference_high),
            "inside": placed.inside,
        }
        for placed in audited.measurements
    ]
    return {
        "audit": audited.audit,
        "measurements": measured,
        "not_measured": audited.not_measured,
    }


def _plain(value: Any) -> Any:
    return finite(value) if isinstance(value, float) else value


def _erased_before(at: Opened, request: str) -> dict[str, Any]:
    """Say why those who were erased before cannot be looked for again."""
    others = [r for r in at.ledger.requests(None, utc_now()) if _erased(r, request)]
    why = "their examples and their columns in the bank are erased, so nobody can look for them"
    served = numbered(len(others), "request was", "requests were")
    reason = f"{served} served before: {why}" if others else "nobody was erased"
    return {"audit": "collateral_erased_before", "measurements": [], "not_measured": reason}


def _erased(other: DeletionRequest, request: str) -> bool:
    return other.ref != request and other.state in ERASED


def record(
    at: Opened, case: Case, retrained: Sequence[Trained], rows: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Write the report into artifacts/audits under its digest, which the signed log keeps too."""
    report = {
        "type": "lethe/audit/1",
        "request": case.request,
        "candidate": case.candidate_sha256,
        "original": case.original_sha256,
        "data_version": versions.data_version(at.ws),
        "references": {
            "models": [model.sha256 for model in retrained],
            "seconds": round(sum(model.seconds for model in retrained), 1),
            "what": NO_COPIES,
        },
        "audits": list(rows),
    }
    digest = sha256_hex(canonical_json(report))
    path = at.ws.artifacts / "audits" / f"{digest[:32]}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, report)
    kept = ("request", "candidate", "original", "data_version")
    body = {key: report[key] for key in kept} | {"report": digest}
    at.ledger.record("audited", body, key=f"audit/{digest[:32]}", now=utc_now())
    return {**report, "report": str(path), "sha256": digest}
