"""Deadlines with the holidays of member states, which the package `holidays` knows."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import pytest

from ledger.deadlines import due_at


@pytest.mark.parametrize(
    ("law", "receipt", "due"),
    [
        ("gdpr", "2026-04-01", "2026-05-01"),  # a Friday, of which the general profile knows naught
        ("gdpr-de", "2026-04-01", "2026-05-04"),  # Labour Day, then a weekend
        ("gdpr-fr", "2026-06-14", "2026-07-15"),  # 14 July is a Tuesday
        ("gdpr-ie", "2026-03-06", "2026-04-07"),  # 6 April 2026 is Easter Monday
        ("gdpr-pt", "2026-03-03", "2026-04-06"),  # 3 April is Good Friday, 6 April no holiday there
    ],
)
def test_a_member_state_has_its_own_holidays(law: str, receipt: str, due: str) -> None:
    received = datetime.combine(date.fromisoformat(receipt), time(10, 30), tzinfo=UTC)
    assert due_at(received, law).date() == date.fromisoformat(due)
