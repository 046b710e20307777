"""Deadlines against dates counted by hand, and against what the law says of all of them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.deadlines import acknowledge_by, day_of, due_at, extended_due_at, profile_of, profiles
from ledger.errors import LateExtension
from unlearning.errors import UsageError

GDPR, CCPA = "gdpr", "ccpa"
BRUSSELS, LOS_ANGELES = ZoneInfo("Europe/Brussels"), ZoneInfo("America/Los_Angeles")
moments = st.datetimes(
    min_value=datetime(2020, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
laws = st.sampled_from([GDPR, CCPA])
zones = st.sampled_from(["Pacific/Kiritimati", "Asia/Kolkata", "UTC", "Pacific/Pago_Pago"])


def received(text: str) -> datetime:
    return datetime.combine(date.fromisoformat(text), time(10, 30), tzinfo=UTC)


@pytest.mark.parametrize(
    ("receipt", "due"),
    [
        ("2026-06-10", "2026-07-10"),  # a Friday, same date next month
        ("2025-01-31", "2025-02-28"),  # February has no 31st; the 28th is a Friday
        ("2028-01-31", "2028-02-29"),  # leap year; the 29th is a Tuesday
        ("2026-04-15", "2026-05-15"),  # April has 30 days, so this is 30 days later
        ("2026-07-15", "2026-08-17"),  # 15 August 2026 is a Saturday
        ("2026-02-01", "2026-03-02"),  # 1 March 2026 is a Sunday
        ("2026-11-25", "2026-12-28"),  # 25 December 2026 is a Friday, then a weekend
        ("2025-12-01", "2026-01-02"),  # 1 January 2026 is a Thursday
    ],
)
def test_gdpr_is_a_calendar_month_to_the_next_working_day(receipt: str, due: str):
    expected = datetime.combine(date.fromisoformat(due), time(23, 59, 59), tzinfo=BRUSSELS)
    assert due_at(received(receipt), GDPR) == expected


def test_ccpa_is_45_and_90_calendar_days_weekend_or_not():
    """10 June + 45 days: 20 left in June, 31 in July would be 51, so 25 July, a Saturday.

    10 June + 90 days: 20 in June, 31 in July, 31 in August make 82, so 8 September.
    """
    receipt = received("2026-06-10")
    assert due_at(receipt, CCPA) == datetime(2026, 7, 25, 23, 59, 59, tzinfo=LOS_ANGELES)
    extended = extended_due_at(receipt, CCPA, now=receipt)
    assert extended == datetime(2026, 9, 8, 23, 59, 59, tzinfo=LOS_ANGELES)


def test_gdpr_extension_is_two_further_months_from_receipt():
    """31 January + 3 months is 30 April: clamped once, from the date of receipt."""
    receipt = received("2026-01-31")
    extended = extended_due_at(receipt, GDPR, now=receipt)
    assert extended == datetime(2026, 4, 30, 23, 59, 59, tzinfo=BRUSSELS)


@pytest.mark.parametrize("jurisdiction", [GDPR, CCPA])
def test_an_extension_is_possible_to_the_last_second_and_no_longer(jurisdiction: str):
    receipt = received("2026-06-10")
    first = due_at(receipt, jurisdiction)
    assert extended_due_at(receipt, jurisdiction, now=first) > first
    with pytest.raises(LateExtension, match="first time limit is over"):
        extended_due_at(receipt, jurisdiction, now=first + timedelta(seconds=1))


def test_the_day_of_receipt_is_the_day_where_the_law_holds():
    """1 January, 17:00 in California is 2 January in UTC; 45 days later is 15 February there.

    Half past midnight on 11 June in Brussels is still the 10th in UTC, and the day is the 11th.
    """
    west = datetime(2026, 1, 1, 17, tzinfo=timezone(timedelta(hours=-8)))
    assert due_at(west, CCPA).isoformat() == "2026-02-15T23:59:59-08:00"
    east = datetime(2026, 6, 11, 0, 30, tzinfo=timezone(timedelta(hours=2)))
    assert due_at(east.astimezone(UTC), GDPR).date() == date(2026, 7, 13)  # 11 July is a Saturday


def test_every_member_state_has_a_profile_in_its_own_zone():
    states = {name.removeprefix("gdpr-") for name in profiles() if name.startswith("gdpr-")}
    expected = "at be bg cy cz de dk ee es fi fr gr hr hu ie it lt lu lv mt nl pl pt ro se si sk"
    assert sorted(states) == expected.split()
    assert str(profile_of("gdpr-ie").zone) == "Europe/Dublin"
    assert profile_of("gdpr-ie").longest_months == 3


@pytest.mark.parametrize("law", ["", "hipaa", "gdpr-us", "GDPR"])
def test_an_unknown_law_is_refused_with_those_that_are_known(law: str):
    with pytest.raises(UsageError, match="expected gdpr, ccpa, or gdpr with a member state"):
        due_at(received("2026-06-10"), law)


@pytest.mark.parametrize(("year", "law"), [(1, CCPA), (9999, GDPR), (9999, CCPA)])
def test_the_ends_of_the_calendar_are_one_line(year: int, law: str):
    moment = datetime(year, 12 if year > 1 else 1, 31 if year > 1 else 1, tzinfo=UTC)
    with pytest.raises(UsageError, match="of this era"):
        due_at(moment, law)


def test_a_time_without_zone_is_refused():
    with pytest.raises(UsageError, match="has no zone"):
        due_at(datetime(2026, 6, 10), GDPR)  # noqa: DTZ001


@given(moments)
def test_gdpr_ends_on_a_working_day_28_to_34_days_after_receipt(moment: datetime):
    """A month has 28 to 31 days; 25 December on a Friday, the longest wait, adds 3 days.

    From 31 January to 28 February are 28 days, so nothing is ever sooner than 28.
    """
    due = due_at(moment, GDPR)
    days = (due.date() - moment.astimezone(BRUSSELS).date()).days
    assert 28 <= days <= 31 + 3
    assert due.weekday() < 5
    assert (due.month, due.day) not in {(1, 1), (12, 25)}
    assert due.time() == time(23, 59, 59)


@given(moments, moments, laws)
def test_who_asks_later_is_never_due_earlier(one: datetime, other: datetime, law: str):
    earlier, later = sorted((one, other))
    assert due_at(earlier, law) <= due_at(later, law)
    assert extended_due_at(earlier, law, now=earlier) <= extended_due_at(later, law, now=later)


@given(moments, zones, laws)
def test_the_zone_that_a_time_is_written_in_changes_nothing(moment: datetime, zone: str, law: str):
    """A moment is a moment: the deadline depends on where the law holds alone."""
    due = due_at(moment, law)
    assert due_at(moment.astimezone(ZoneInfo(zone)), law) == due
    assert due.utcoffset() == due.astimezone(profile_of(law).zone).utcoffset()
    assert due.time() == time(23, 59, 59)


@given(moments, laws)
def test_an_extension_is_later_and_within_the_laws_longest(moment: datetime, law: str):
    """Three months have at most 92 days, plus 3 to the next working day; CCPA allows 90."""
    first, extended = due_at(moment, law), extended_due_at(moment, law, now=moment)
    longest = 95 if law == GDPR else 90
    received_on = moment.astimezone(profile_of(law).zone).date()
    assert first < extended
    assert (extended.date() - received_on).days <= longest


@pytest.mark.parametrize(
    ("receipt", "by"),
    [
        ("2026-06-10", "2026-06-24"),  # a Wednesday, two weekends
        ("2026-06-12", "2026-06-26"),  # a Friday
        ("2026-06-13", "2026-06-26"),  # a Saturday: the first day is Monday
        ("2026-12-24", "2027-01-07"),  # holidays do not make it later
    ],
)
def test_california_confirms_receipt_within_ten_business_days(receipt: str, by: str) -> None:
    at = datetime.fromisoformat(f"{receipt}T20:00:00").replace(tzinfo=LOS_ANGELES)  # UTC: next day
    found = acknowledge_by(at, CCPA)
    assert found == datetime.fromisoformat(f"{by}T23:59:59").replace(tzinfo=LOS_ANGELES)
    assert day_of(found.astimezone(UTC), CCPA).isoformat() == by
    assert acknowledge_by(at, GDPR) is None
