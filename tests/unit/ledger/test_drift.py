"""What approximate releases leave is counted from the log, along the line of the version asked."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ledger.chain import Entry
from ledger.replay.drift import Drift, drift_of

EXACT = {"retrain"}
METHODS = ("retrain", "finetune", "famr")


def entry(key: str, body: dict[str, Any]) -> Entry:
    return Entry(1, "", "", "step", key, body, "", "")


def run(number: int, method: str | None, forgets: int, parent: int, version: int) -> list[Entry]:
    """Log a run; without a method it released nothing."""
    ref = f"run-{number}"
    told = [
        entry(f"{ref}/extracted", {"train": forgets}),
        entry(f"{ref}/decided", {"method": method}),
    ]
    if method:
        told.append(entry(f"{ref}/promoted", {"version": version, "parent": parent}))
    return told


RUNS = st.lists(
    st.tuples(st.sampled_from([*METHODS, None]), st.integers(1, 50), st.integers(0, 99)),
    max_size=12,
)


@given(RUNS)
def test_the_count_is_that_of_each_versions_own_line(
    runs: list[tuple[str | None, int, int]],
) -> None:
    """Kept forward here, version by version, while the log is read backwards. Each run begins from
    some earlier version, as after a rollback; an exact one begins anew, a refused one adds none."""
    entries, known = [entry("initialised", {"version": 1})], {1: Drift()}
    for number, (method, forgets, chosen) in enumerate(runs):
        parent = sorted(known)[chosen % len(known)]
        version = len(known) + 1
        entries += run(number, method, forgets, parent, version)
        if method:
            before = known[parent]
            after = Drift(before.releases + 1, before.examples + forgets)
            known[version] = Drift() if method in EXACT else after
    assert {version: drift_of(entries, version, EXACT) for version in known} == known


def test_a_release_that_does_not_say_how_it_was_made_counts() -> None:
    entries = run(1, "retrain", 7, parent=1, version=2)
    untold = [e for e in entries if not e.key.endswith("/decided")]
    assert drift_of(entries, 2, EXACT) == Drift()
    assert drift_of(untold, 2, EXACT) == Drift(1, 7)


def test_a_log_that_goes_in_circles_comes_to_an_end() -> None:
    entries = [*run(1, "famr", 2, parent=3, version=2), *run(2, "famr", 3, parent=2, version=3)]
    assert drift_of(entries, 2, EXACT) == Drift(2, 5)
