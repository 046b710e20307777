"""How a request is shown, and the one place where the clock is read; light imports only."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ledger.requests import DeletionRequest


def utc_now() -> datetime:
    """Read the clock; everything else takes the time as an argument."""
    return datetime.now(UTC)


def as_record(request: DeletionRequest) -> dict[str, Any]:
    """Show a request as the command line prints it."""
    return {
        "request": request.ref,
        "state": str(request.state),
        "received_at": request.received_at.isoformat(),
        "due_at": request.due_at.isoformat(),
        "jurisdiction": str(request.jurisdiction),
        "examples": request.examples,
        "reason": request.reason,
        "run": request.run,
    }
