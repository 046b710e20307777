"""One spelling per moment."""

from __future__ import annotations

from datetime import UTC, datetime

from unlearning.errors import UsageError


def timestamp(moment: datetime) -> str:
    """Write a moment as ISO 8601 in UTC; a moment without a zone raises UsageError."""
    if moment.tzinfo is None:
        raise UsageError(f"time {moment.isoformat()} has no zone: expected one, such as +00:00")
    try:
        return moment.astimezone(UTC).isoformat()
    except OverflowError as error:
        raise UsageError(
            f"time {moment.isoformat()}: lies at the end of the calendar, expected one of this era"
        ) from error
