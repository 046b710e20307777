"""When an answer is due: calendar arithmetic, with each law's numbers, zone and holidays as data.

A clock pauses only by a time that is given, and where the law lets it. Days are days in the law's
zone; a deadline is the last second of its day there.
"""

from __future__ import annotations

import calendar
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from ledger.errors import LateExtension
from ledger.moments import timestamp
from unlearning.errors import UsageError

FILE = Path(__file__).with_name("jurisdictions.toml")


HOLIDAYS, HOURS = timedelta(days=7), timedelta(hours=2)
"""More days on end than any country is closed, and hours that a zone was ever moved by at once."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A law's time limits, counted from the day of receipt in its zone.

    pauses: whether the clock may stand still while it is not confirmed who asks. acknowledge_days:
    business days within which receipt is confirmed, 0 where the law sets none.
    months, days: the first limit; longest_months, longest_days: the limit once extended.
    working_day: a limit that ends on a weekend or holiday moves to the next working day. holidays:
    the country, or country and subdivision, whose public holidays are no working days;
    fixed_holidays: (month, day) pairs that are none either.
    """

    zone: ZoneInfo
    months: int = 0
    days: int = 0
    longest_months: int = 0
    longest_days: int = 0
    working_day: bool = False
    pauses: bool = False
    acknowledge_days: int = 0
    holidays: str | None = None
    fixed_holidays: frozenset[tuple[int, int]] = frozenset()


@cache
def profiles() -> dict[str, Profile]:
    """The profiles of jurisdictions.toml by name; a profile may be `like` one before it."""
    found: dict[str, Profile] = {}
    for name, table in tomllib.loads(FILE.read_text(encoding="utf-8")).items():
        fixed = frozenset(map(_month_and_day, table.pop("fixed_holidays", ())))
        told = {**table, "zone": ZoneInfo(table["zone"]), "fixed_holidays": fixed}
        like = told.pop("like", None)
        found[name] = replace(found[like], **told) if like else Profile(**told)
    return found


def profile_of(jurisdiction: str) -> Profile:
    """The profile of this name; UsageError for another, which is not echoed."""
    if jurisdiction not in profiles():
        names = ", ".join(name for name in profiles() if "-" not in name)
        raise UsageError(
            f"jurisdiction: got another name, expected {names}, or gdpr with a member state, such "
            "as gdpr-de"
        )
    return profiles()[jurisdiction]


STANDING = timedelta(0)


def due_at(received_at: datetime, jurisdiction: str, *, paused: timedelta = STANDING) -> datetime:
    """The last moment at which a request may be answered without an extension, in the law's zone.

    paused: how long the clock stood still, as if the request had come so much later.
    UsageError for an unknown law, a time without a zone or one at the end of the calendar.
    """
    profile = profile_of(jurisdiction)
    return _limit(received_at + paused, profile, months=profile.months, days=profile.days)


def longest_due_at(
    received_at: datetime, jurisdiction: str, *, paused: timedelta = STANDING
) -> datetime:
    """The last moment once extended."""
    profile = profile_of(jurisdiction)
    longest = {"months": profile.longest_months, "days": profile.longest_days}
    return _limit(received_at + paused, profile, **longest)


def extended_due_at(
    received_at: datetime, jurisdiction: str, *, now: datetime, paused: timedelta = STANDING
) -> datetime:
    """The last moment once extended; LateExtension if the first limit is already over."""
    first = due_at(received_at, jurisdiction, paused=paused)
    if now > first:
        raise LateExtension(
            f"extension asked for at {timestamp(now)}, expected by {timestamp(first)}: "
            "the first time limit is over, answer the request now"
        )
    return longest_due_at(received_at, jurisdiction, paused=paused)


def bounds(
    received_at: datetime, jurisdiction: str, *, extended: bool = False
) -> tuple[datetime, datetime]:
    """The earliest and the latest moment that a limit may ever have been counted as.

    A deadline stays as it was counted once, while a country may change its holidays, and a zone its
    hours. So the country's own holidays count for any, up to HOLIDAYS on end.
    """
    profile = profile_of(jurisdiction)
    months = profile.longest_months if extended else profile.months
    days = profile.longest_days if extended else profile.days
    first = _limit(received_at, replace(profile, holidays=None), months=months, days=days)
    last = first + HOLIDAYS if profile.holidays else first
    return first - HOURS, last + HOURS


def acknowledge_by(received_at: datetime, jurisdiction: str) -> datetime | None:
    """The last moment at which receipt may be confirmed; None where the law sets none.

    Counted in days from Monday to Friday: a holiday that does not count only makes it earlier.
    """
    profile = profile_of(jurisdiction)
    if not profile.acknowledge_days:
        return None
    day = received_at.astimezone(profile.zone).date()
    for _ in range(profile.acknowledge_days):
        day += timedelta(days=1)
        while day.weekday() >= calendar.SATURDAY:
            day += timedelta(days=1)
    return _end_of(day, profile)


def day_of(moment: datetime, jurisdiction: str) -> date:
    """The day of a moment where the law counts its days."""
    return moment.astimezone(profile_of(jurisdiction).zone).date()


def _limit(received_at: datetime, profile: Profile, *, months: int, days: int) -> datetime:
    timestamp(received_at)  # a time without a zone would silently move the day
    try:
        received = received_at.astimezone(profile.zone).date()
        day = _add_months(received, months) + timedelta(days=days)
        while profile.working_day and not _is_working(day, profile):
            day += timedelta(days=1)
    except (OverflowError, ValueError) as error:
        raise UsageError(
            f"received at {received_at.isoformat()}: no deadline can be counted from there, "
            "expected a time of this era"
        ) from error
    return _end_of(day, profile)


def _end_of(day: date, profile: Profile) -> datetime:
    return datetime.combine(day, time(23, 59, 59), tzinfo=profile.zone)


def _add_months(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, last))


def _is_working(day: date, profile: Profile) -> bool:
    if day.weekday() >= calendar.SATURDAY or (day.month, day.day) in profile.fixed_holidays:
        return False
    return profile.holidays is None or not _calendar(profile.holidays)(day)


@cache
def _calendar(place: str) -> Callable[[date], bool]:
    """Whether a day is a public holiday there; the package is imported by whom needs it alone."""
    import holidays

    country, _, subdivision = place.partition("-")
    days = holidays.country_holidays(country, subdiv=subdivision or None)
    return lambda day: day in days


def _month_and_day(text: str) -> tuple[int, int]:
    month, day = text.split("-")
    return int(month), int(day)
