"""Whatever comes in whatever order, and whoever is killed meanwhile: each valid event once.

Small; `python -m benchmarks.intake storm` does it with 1,000 events.
"""

from __future__ import annotations

import pytest

from benchmarks.intake import alone, http, likeness, storm


@pytest.mark.parametrize("door", sorted(storm.DOORS))
def test_every_valid_event_is_one_request_and_no_other_is_any(door: str) -> None:
    """Of 120, 60 are valid; the process is killed after every 20 that it took."""
    found = storm.row(door, events=120, every=20)
    assert {kind: found[kind] for kind in ("valid", "duplicate", "replay", "malformed")} == {
        "valid": 60,
        "duplicate": 18,
        "replay": 18,
        "malformed": 12,
    }
    assert found["forged"] == 12 and found["kills"] >= 2
    assert found["requests"] == 60
    assert (found["lost"], found["doubled"], found["of_others"]) == (0, 0, 0)


def test_the_door_answers_over_the_wire_on_many_connections() -> None:
    """No time is tested: the benchmark measures it."""
    assert [(row["connections"], row["calls"]) for row in http.rows(64)] == [(1, 64), (16, 64)]


def test_known_and_unknown_persons_are_answered_alike() -> None:
    found = likeness.row(100)
    assert found["answers_alike"] and found["calls"] == 100


def test_the_inbox_alone_is_measured_on_as_many() -> None:
    *found, settled = alone.rows(64)
    assert [(row["connections"], row["calls"]) for row in found] == [(1, 64), (16, 64)]
    assert settled["settled"] == 64 + 2 * 64  # those that warm up too
