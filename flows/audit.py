"""Measure of one request what no gate judges: features, relearning, the pair, those who stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow

from flows.steps import step
from flows.turns import in_turn
from tasks import audit as steps
from tasks.keeping.auditing import NOTHING_HELD, auditable
from tasks.running.opened import Opened, opened

MODELS = 3
"""Retrained models to compare with."""

find = step(auditable)
begin = step(steps.begin)
retrain = step(steps.retrain)
measure = step(steps.measure)
record = step(steps.record)

DRAWS = "the champion draws pictures, and audits are of classifiers"


@flow(name="audit", validate_parameters=False, persist_result=False)
def audit(
    workspace: str,
    request: str,
    candidate: Path | None = None,
    version: int | None = None,
    models: int = MODELS,
) -> dict[str, Any]:
    """Audit a candidate by a request whose examples are still held; nothing is decided."""
    return _audited(opened(workspace), request, candidate, version, models)


@flow(name="audit-champion", validate_parameters=False, persist_result=False)
def audit_champion(workspace: str) -> Any:
    """Audit the champion by a request that waits, or say that nobody's examples are held."""

    def work(at: Opened) -> dict[str, Any]:
        if at.params.generator is not None:
            return {"request": None, "audits": [], "why": DRAWS}
        request = find(at)
        if request is None:
            return {"request": None, "audits": [], "why": NOTHING_HELD}
        return _audited(at, request, None, None, MODELS)

    return in_turn(workspace, work)


def _audited(
    at: Opened, request: str, candidate: Path | None, version: int | None, models: int
) -> dict[str, Any]:
    # (1) Whose examples, and which weights: a file's, a version's, or the champion's.
    case = begin(at, request, candidate, version)
    # (2) Models retrained without the examples show what honest forgetting looks like.
    retrained = retrain(at, case, models)
    # (3) Every audit, on the candidate and on each retrained model in its place.
    rows = measure(at, case, retrained)
    # (4) The report lies in artifacts/, its digest in the signed log.
    return dict(record(at, case, retrained, rows))
