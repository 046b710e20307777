"""Measure of one request what no gate judges: features, relearning, the pair, those who stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from tasks import audit as steps
from tasks.running.opened import opened

step = task(cache_policy=NO_CACHE, persist_result=False)

begin = step(steps.begin)
retrain = step(steps.retrain)
measure = step(steps.measure)
record = step(steps.record)


@flow(name="audit", validate_parameters=False, persist_result=False)
def audit(
    workspace: str,
    request: str,
    candidate: Path | None = None,
    version: int | None = None,
    models: int = 3,
) -> dict[str, Any]:
    """Audit a candidate by a request whose examples are still held; nothing is decided."""
    at = opened(workspace)
    # (1) Whose examples, and which weights: a file's, a version's, or the champion's.
    case = begin(at, request, candidate, version)
    # (2) Models retrained without the examples show what honest forgetting looks like.
    retrained = retrain(at, case, models)
    # (3) Every audit, on the candidate and on each retrained model in its place.
    rows = measure(at, case, retrained)
    # (4) The report lies in artifacts/, its digest in the signed log.
    return dict(record(at, case, retrained, rows))
