"""What shows that an exactly downdated head is the right one: a bound, held against a tolerance."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeGuard

from ledger.chain import Entry

METHOD = "head_downdate"
BACKBONE = "backbone"
"""Key and event of the log's entry by which somebody says that a backbone never saw the data."""


def objections(attempts: object, entries: Sequence[Entry]) -> Iterator[str]:
    """Where a released head has no certificate or its backbone no statement, one line each.

    attempts: of a run's statement. entries: of its excerpt.
    """
    stated = attempts if isinstance(attempts, list) else []
    for number, attempt in enumerate(stated, 1):
        fields = attempt if isinstance(attempt, dict) else {}
        if fields.get("method") != METHOD or fields.get("sha256") is None:
            continue
        if problem := _uncertified(fields):
            yield f"attempt {number}: {problem}"
        if not any(entry.event == BACKBONE for entry in entries):
            yield f"attempt {number}: the log has no statement that the backbone never saw the data"


def _uncertified(attempt: Mapping[str, Any]) -> str | None:
    settings, report = (_mapping(attempt.get(name)) for name in ("settings", "report"))
    bound, tolerance = report.get("distance_bound"), settings.get("tolerance")
    if _number(bound) and _number(tolerance) and 0 <= bound <= tolerance:
        return None
    return f"distance_bound: got {bound}, expected at most its tolerance {tolerance}"


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and math.isfinite(value)
