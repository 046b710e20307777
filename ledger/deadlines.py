"""When an answer is due: calendar arithmetic, with each law's numbers as data.

Nothing here pauses a clock. Days are days in UTC; a deadline is the last second of its day.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from ledger.errors import LateExtension
from ledger.moments import timestamp


class Jurisdiction(StrEnum):
    """The law that a request is answered under."""

    GDPR = "gdpr"
    CCPA = "ccpa"


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A law's time limits, counted from the day of receipt.

    months, days: the first limit; longest_months, longest_days: the limit once extended.
    working_day: a limit that ends on a weekend or holiday moves to the next working day.
    holidays: (month, day) pairs that are no working days.
    """

    months: int = 0
    days: int = 0
    longest_months: int = 0
    longest_days: int = 0
    working_day: bool = False
    holidays: frozenset[tuple[int, int]] = frozenset()


PROFILES: dict[Jurisdiction, Profile] = {
    # GDPR Art. 12(3), counted as Regulation 1182/71 Art. 3 says. A holiday only ever makes the
    # deadline later, so the list has the two that every member state keeps and no others.
    Jurisdiction.GDPR: Profile(
        months=1,
        longest_months=3,
        working_day=True,
        holidays=frozenset({(1, 1), (12, 25)}),
    ),
    # California Code of Regulations, title 11, section 7021: calendar days from receipt.
    Jurisdiction.CCPA: Profile(days=45, longest_days=90),
}


def due_at(received_at: datetime, jurisdiction: Jurisdiction) -> datetime:
    """The last moment at which a request may be answered without an extension."""
    profile = PROFILES[jurisdiction]
    return _limit(received_at, profile, months=profile.months, days=profile.days)


def extended_due_at(
    received_at: datetime, jurisdiction: Jurisdiction, *, now: datetime
) -> datetime:
    """The last moment once extended; LateExtension if the first limit is already over."""
    first = due_at(received_at, jurisdiction)
    if now > first:
        raise LateExtension(
            f"extension asked for at {timestamp(now)}, expected by {timestamp(first)}: "
            "the first time limit is over, answer the request now"
        )
    profile = PROFILES[jurisdiction]
    return _limit(received_at, profile, months=profile.longest_months, days=profile.longest_days)


def _limit(received_at: datetime, profile: Profile, *, months: int, days: int) -> datetime:
    timestamp(received_at)  # a time without a zone would silently move the day
    day = _add_months(received_at.astimezone(UTC).date(), months) + timedelta(days=days)
    while profile.working_day and not _is_working(day, profile):
        day += timedelta(days=1)
    return datetime.combine(day, time(23, 59, 59), tzinfo=UTC)


def _add_months(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, last))


def _is_working(day: date, profile: Profile) -> bool:
    return day.weekday() < calendar.SATURDAY and (day.month, day.day) not in profile.holidays
