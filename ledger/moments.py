"""One spelling per moment."""

from __future__ import annotations

from datetime import UTC, datetime

from unlearning.errors import UsageError


def timestamp(moment: datetime) -> str:
    """Write a moment as ISO 8601 in UTC; a moment without a zone raises UsageError."""
    if moment.tzinfo is None:
        raise UsageError(f"time {moment.isoformat()} has no zone: expected one, such as +00:00")
    return moment.astimezone(UTC).isoformat()
