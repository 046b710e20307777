"""Measure of one request what no gate judges: features, relearning, the pair, those who stay."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows.commands import working
from flows.progress import bar, counter
from tasks.steps import auditing, reporting, running

step = task(cache_policy=NO_CACHE, persist_result=False)

begin = step(auditing.begin)
retrain = step(auditing.retrain)
measure = step(auditing.measure)
record = step(auditing.record)


@flow(name="audit", validate_parameters=False, persist_result=False)
def audit(
    workspace: str,
    request: str,
    candidate: Path | None = None,
    version: int | None = None,
    models: int = 3,
) -> dict[str, Any]:
    """Audit a candidate by a request whose examples are still held; nothing is decided."""
    at = running.opened(workspace)
    # (1) Whose examples, and which weights: a file's, a version's, or the champion's.
    case = begin(at, request, candidate, version)
    # (2) Models retrained without the examples show what honest forgetting looks like.
    retrained = retrain(at, case, models)
    # (3) Every audit, on the candidate and on each retrained model in its place.
    rows = measure(at, case, retrained)
    # (4) The report lies in artifacts/, its digest in the signed log.
    return dict(record(at, case, retrained, rows))


def run(
    path: Path, request: str, candidate: Path | None, version: int | None, models: int
) -> dict[str, Any]:
    """Hold the workspace and audit."""
    with working(path) as ws, reporting.shown(bar("training"), counter("audits", "audits")):
        found: dict[str, Any] = audit(str(ws.root), request, candidate, version, models)
        return found


def as_tables(found: Mapping[str, Any]) -> dict[str, Any]:
    """Give an audit for people: one table of what was measured, one of what was not."""
    measured = [
        {
            "audit": row["audit"],
            "measurement": m["name"],
            "value": m["value"],
            "95 % interval": _range(m["low"], m["high"]),
            "n": m["n"],
            "retrained models": _range(m["reference_low"], m["reference_high"]),
            "lies": m["inside"],
        }
        for row in found["audits"]
        for m in row["measurements"]
    ]
    missing = [
        {"audit": row["audit"], "why": row["not_measured"]}
        for row in found["audits"]
        if row["not_measured"]
    ]
    facts = {key: value for key, value in found.items() if key not in ("audits", "type")}
    return {**facts, "measured": measured, "not_measured": missing}


def _range(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return "not known"
    ends = ("no limit" if end is None else f"{end:.3g}" for end in (low, high))
    return " to ".join(ends)
