"""The numbers of an attempt: the few that are compared as metrics, all of them as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from systems.registry.logged import Table
from tasks.running.records import measurements_of
from tasks.running.run import Run
from unlearning.domain import Measurement, Outcome, Verdict
from unlearning.judging.verdicts import gates_of

COMPARED = {
    "test_accuracy": "test_accuracy",
    "utility_loss": "accuracy_drop",
    "class_drawn": "generated/FA",
    "rest_drawn": "generated/RA",
    "rest_distance": "generated/FD",
}
"""Metrics by the measurement that each shows."""

ATTACK = "forget_auc"
"""The measurement that is shown as attack_auc, with its interval."""

Record = Mapping[str, Any]
Limits = Mapping[str, tuple[float, float]]


def compared(record: Record) -> dict[str, float]:
    """Give the numbers by which attempts are compared, those of them that were measured."""
    rows = {row["name"]: row for row in record.get("measurements", [])}
    attack = rows.get(ATTACK, {})
    found = {
        "attack_auc": attack.get("value"),
        "attack_auc_low": attack.get("low"),
        "attack_auc_high": attack.get("high"),
        **{name: rows.get(of, {}).get("value") for name, of in COMPARED.items()},
        "seconds": record.get("seconds"),
    }
    return {name: value for name, value in found.items() if value is not None}


def limits_of(run: Run, measured: Mapping[str, Measurement]) -> dict[str, tuple[float, float]]:
    """Give what the run's gates allow of what was measured."""
    gates = gates_of(run.policy().gates) if measured else ()
    return {name: limit for gate in gates for name, limit in gate.limits(measured).items()}


def measurements(record: Record, limits: Limits) -> Table:
    """Lay out all that was measured, with what was allowed, and what the method itself reports."""
    rows = [
        [row["name"], row["value"], row["low"], row["high"], row["n"], *_allowed(limits, row)]
        for row in record.get("measurements", [])
    ]
    rows += [[name, value, *[None] * 5] for name, value in record.get("report", {}).items()]
    columns = ("measurement", "value", "low", "high", "n", "allowed from", "allowed to")
    return Table("measurements", columns, rows)


def _allowed(limits: Limits, row: Record) -> Sequence[float | None]:
    return limits.get(row["name"], (None, None))


def attempt_tables(run: Run, record: Record) -> list[Table]:
    """Give the tables of an attempt."""
    limits = limits_of(run, measurements_of(record) if "measurements" in record else {})
    return [measurements(record, limits), verdicts([record])]


def verdict_rows(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Say what every gate said of every attempt, one row each."""
    return [
        {
            "attempt": number,
            "method": record["method"],
            "gate": said["gate"],
            "outcome": said["outcome"],
            "reason": said["reason"],
        }
        for number, record in enumerate(records, 1)
        for said in record["verdicts"]
    ]


def verdicts(records: Sequence[Record]) -> Table:
    """Lay out what every gate said of every attempt."""
    rows = [list(row.values()) for row in verdict_rows(records)]
    return Table("verdicts", ("attempt", "method", "gate", "outcome", "reason"), rows)


def verdicts_of(record: Record) -> list[Verdict]:
    """Read an attempt's verdicts."""
    return [Verdict(v["gate"], Outcome(v["outcome"]), v["reason"]) for v in record["verdicts"]]
