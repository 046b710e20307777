"""What a statement must show before it may say 'released'.

The rule is kept apart from the code that judges, so that one is checked against the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

RELEASED, PASSED, INCONCLUSIVE = "released", "PASSED", "INCONCLUSIVE"
BY_LINEAGE = ("forgetting", "deployed_forgetting", "geometry")
"""The gates that lineage can stand in for."""


def contradictions(statement: Mapping[str, Any]) -> Iterator[str]:
    """Why the verdicts do not carry the decision, one line each; nothing if they do.

    Only 'released' needs carrying, by the last attempt: every gate PASSED; or, for an exact
    method, those that lineage stands in for INCONCLUSIVE and every other one PASSED.
    """
    if statement.get("decision") != RELEASED:
        return
    attempts = statement.get("attempts")
    attempt = attempts[-1] if isinstance(attempts, list) and attempts else None
    verdicts = attempt.get("verdicts") if isinstance(attempt, dict) else None
    if not isinstance(verdicts, list) or not verdicts:
        yield "decision: is 'released', but its last attempt has no verdicts"
        return
    exact = isinstance(attempt, dict) and attempt.get("exact") is True
    for verdict in verdicts:
        yield from _objection(verdict, exact=exact)


def _objection(verdict: Any, *, exact: bool) -> Iterator[str]:
    fields = verdict if isinstance(verdict, dict) else {}
    gate, outcome = fields.get("gate"), fields.get("outcome")
    excused = exact and gate in BY_LINEAGE and outcome == INCONCLUSIVE
    if outcome != PASSED and not excused:
        yield f"decision: is 'released', but gate {gate!r} is {outcome!r}, expected {PASSED}"
