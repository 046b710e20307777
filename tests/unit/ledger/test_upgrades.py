"""A request that was served approximately is exact once an exact release has followed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ledger.chain import Entry
from ledger.replay.ancestry import BUILT
from ledger.replay.upgrades import UPGRADED, Upgrade, due, objections, upgraded_by

STEPS = ("started", "extracted", "decided", "promoted", "erased")
BASE = {"sha256": "ba5e", "base": 0, "of": 2, "left_out": [], "recipe": "r"}


class Log:
    """Entries one after the other."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def add(self, event: str, body: dict[str, Any], key: str) -> Log:
        at = f"2026-01-{1 + len(self.entries) % 28:02}T00:00:00+00:00"
        self.entries.append(Entry(len(self.entries) + 1, "", at, event, key, body, "", ""))
        return self

    def run(
        self, number: int, level: str, method: str = "retrain", steps: Sequence[str] = STEPS
    ) -> Log:
        """Take run N through its steps, which serves req-N and makes version N + 1."""
        ref = f"run-{number}"
        shards = {f"req-{number}": ["02"]}
        bodies: dict[str, dict[str, Any]] = {
            "started": {"run": ref, "requests": [f"req-{number}"]},
            "extracted": {"lineage": {"shards": shards, "ancestors": ["ba5e"]}},
            "decided": {"assurance": level, "method": method, "decision": "released"},
            "promoted": {"version": number + 1, "sha256": f"{number:064}", "parent": number},
            "erased": {},
        }
        for step in steps:
            self.add("run_started" if step == "started" else "step", bodies[step], f"{ref}/{step}")
        return self

    def complete(self, ref: str) -> Log:
        return self.add("moved", {"request": ref, "state": "complete"}, f"{ref}/complete")

    def upgrade(self, **changed: Any) -> Log:
        one = Upgrade("req-1", "run-1", "run-2", 3, f"{2:064}")
        return self.add(UPGRADED, one.body() | changed, one.key)


def served(number: int = 1, level: str = "A2") -> Log:
    return Log().run(number, level, "finetune").complete(f"req-{number}")


def test_each_approximate_request_is_upgraded_by_the_exact_release_that_follows() -> None:
    log = served().run(2, "A2", "famr").complete("req-2").run(3, "A3").run(4, "A3")
    found = due(log.entries)
    assert [(one.request, one.served, one.by, one.version) for one in found] == [
        ("req-1", "run-1", "run-3", 4),
        ("req-2", "run-2", "run-3", 4),
    ]
    for one in found:
        log.add(UPGRADED, one.body(), one.key)
    assert due(log.entries) == [] and list(objections(log.entries)) == []
    assert upgraded_by(log.entries, "run-3") == ["req-1", "req-2"]


def test_one_that_is_complete_later_is_upgraded_then() -> None:
    """Its old weights were kept for the days of grace, over the exact release."""
    log = Log().run(1, "A2", "finetune").run(2, "A3")
    assert due(log.entries) == []
    assert [one.by for one in due(log.complete("req-1").entries)] == ["run-2"]


def test_one_that_goes_with_the_run_is_upgraded_with_it() -> None:
    log = served().add("linked", {"request": "req-9", "run": "run-1"}, "req-9/linked")
    log.complete("req-9").run(2, "A3")
    assert [one.request for one in due(log.entries)] == ["req-1", "req-9"]


def test_nothing_is_upgraded_by_what_is_not_exact_or_came_before() -> None:
    assert due(served().run(2, "A2", "famr").entries) == []
    assert due(Log().run(2, "A3").run(1, "A2", "finetune").complete("req-1").entries) == []
    assert due(served(level="A3").run(2, "A3").entries) == []


def test_an_exact_run_that_read_its_data_before_the_erasure_is_not_enough() -> None:
    log = Log().run(1, "A2", "finetune", STEPS[:-1]).run(2, "A3")
    log.add("step", {}, "run-1/erased").complete("req-1")
    assert due(log.entries) == []
    (line,) = objections(log.upgrade().entries)
    assert "run-2 found its data before run-1 had erased the examples" in line


@pytest.mark.parametrize(
    ("before", "left_out", "clean"), [(False, [], True), (True, [], False), (True, ["req-1"], True)]
)
def test_a_warm_start_counts_if_no_base_of_it_may_have_seen_them(
    before: bool, left_out: list[str], clean: bool
) -> None:
    """The base holds their shard: it is clean if built after the erasure, or without them."""
    base = {**BASE, "left_out": left_out}
    log = Log()
    if before:
        log.add(BUILT, base, "base/1")
    log.run(1, "A2", "finetune").complete("req-1")
    if not before:
        log.add(BUILT, base, "base/1")
    log.run(2, "A3", "warm_retrain")
    assert [one.by for one in due(log.entries)] == (["run-2"] if clean else [])
    said = [*objections(log.upgrade().entries)]
    assert len(said) == (not clean)
    assert all("run-2 began from base ba5e, which may have learned" in line for line in said)


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (Log().run(1, "A2", "finetune").run(2, "A3").upgrade(), "it was not complete"),
        (served().upgrade(), "run-2 had not released what was trained exactly"),
        (served().run(2, "A2").upgrade(), "run-2 had not released what was trained exactly"),
        (served(level="A3").run(2, "A3").upgrade(), "run-1 did not serve it approximately"),
        (served().run(2, "A3").upgrade(served="run-9"), "run-9 did not serve it approximately"),
        (served().run(2, "A3").upgrade(version=7), "it says something else than run-2 released"),
        (served().run(2, "A3").upgrade(assurance="A4"), "it says something else"),
    ],
)
def test_an_upgrade_that_the_log_does_not_bear_out_is_named(log: Log, said: str) -> None:
    (line,) = objections(log.entries)
    assert said in line and line.startswith(f"log: entry {len(log.entries)} upgrades req-1")
