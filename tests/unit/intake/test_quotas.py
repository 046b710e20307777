"""A source may send in bursts, and on the long run at its rate."""

from __future__ import annotations

import pytest

from systems.intake.quotas import OverQuota, Quotas


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def taken(quotas: Quotas, source: str, tries: int) -> int:
    count = 0
    for _ in range(tries):
        try:
            quotas.take(source)
        except OverQuota:
            continue
        count += 1
    return count


def test_a_burst_then_the_rate() -> None:
    """10 at once; then 2 a second for 3 seconds are 6; an hour fills no more than the bucket."""
    clock = Clock()
    quotas = Quotas(2.0, 10, clock)
    assert taken(quotas, "crm", 50) == 10
    clock.now += 3
    assert taken(quotas, "crm", 50) == 6
    clock.now += 3600
    assert taken(quotas, "crm", 50) == 10


def test_one_source_does_not_use_up_another_ones() -> None:
    quotas = Quotas(1.0, 1, Clock())
    assert [taken(quotas, source, 3) for source in ("crm", "desk")] == [1, 1]


def test_it_says_for_how_long() -> None:
    """At one request in 4 seconds the next token is whole after 4."""
    quotas = Quotas(0.25, 1, Clock())
    quotas.take("crm")
    with pytest.raises(OverQuota) as over:
        quotas.take("crm")
    assert over.value.seconds == 4
