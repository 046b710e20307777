"""How records are shown and read back, and where the clock is read; light imports only."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ledger.deadlines import acknowledge_by
from ledger.domain import DeletionRequest
from unlearning.digests import sha256_hex
from unlearning.terms import Measurement


def utc_now() -> datetime:
    """Read the clock; everything else takes the time as an argument."""
    return datetime.now(UTC)


def digest_of_place(root: Path) -> str:
    """Name a workspace by a digest of where it lies, for systems that must not know that."""
    return sha256_hex(str(root.expanduser().resolve()).encode())[:16]


def acknowledged_by(received_at: datetime, jurisdiction: str) -> dict[str, str]:
    """Say by when receipt is to be confirmed, where the law has such a day."""
    found = acknowledge_by(received_at, jurisdiction)
    return {"acknowledge_by": found.isoformat()} if found else {}


def as_record(request: DeletionRequest) -> dict[str, Any]:
    """Show a request as the command line prints it. days_left: whole ones, None once it ended."""
    left = None if request.state.terminal else (request.due_at - utc_now()).days
    acknowledge = acknowledged_by(request.received_at, request.jurisdiction)
    return {
        "request": request.ref,
        "state": str(request.state),
        "received_at": request.received_at.isoformat(),
        "due_at": request.due_at.isoformat(),
        "days_left": left,
        **acknowledge,
        "jurisdiction": str(request.jurisdiction),
        "examples": request.examples,
        "reason": request.reason,
        "run": request.run,
    }


def measurements_of(attempt: Mapping[str, Any]) -> dict[str, Measurement]:
    """Read an attempt's measurements; null stands for what was no number."""
    found = {}
    for row in attempt["measurements"]:
        value, low, high = (_number(row[key]) for key in ("value", "low", "high"))
        found[row["name"]] = Measurement(row["name"], value, low, high, row["n"])
    return found


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
