"""Attempts of earlier runs are counted in the log, whoever would rather forget them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.lines import InFile
from ledger.log import Log
from ledger.replay.attempts import Earlier, earlier_attempts, error_spent
from ledger.replay.judgements import JUDGEMENT, judgements

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
EXACT = {"retrain"}


def run(
    log: Log, ref: str, requests: list[str], parent: str, tried: list[tuple[str, bool]]
) -> None:
    """Log a run: what it tried, and whether that gave a candidate."""
    entries: list[tuple[str, str, dict[str, Any]]] = [
        ("run_started", "started", {"run": ref, "requests": requests}),
        ("step", "begun", {"parent_sha256": parent}),
    ]
    for number, (method, made) in enumerate(tried):
        sha256 = f"{number}" * 64 if made else None
        entries.append(("step", f"unlearned-{number}", {"method": method, "sha256": sha256}))
        entries.append(("step", f"judged-{number}", {"decision": "refused", "sha256": sha256}))
    for event, step, body in entries:
        log.append(event, body, key=f"{ref}/{step}", now=NOW)


def test_candidates_over_any_of_the_requests_from_the_same_champion_count(tmp_path: Path) -> None:
    """Run 1: two candidates, one approximate. Run 2: one that failed, one that did not. Run 3 began
    from another champion, run 4 was over another request: neither counts; but what run 3 spent on a
    request is spent. No run tells its level, so that each candidate had all of 5 %."""
    log = Log.open(InFile(tmp_path / "log.jsonl"), Ed25519PrivateKey.generate())
    run(log, "run-1", ["req-a"], "p", [("famr", True), ("retrain", True)])
    run(log, "run-2", ["req-a", "req-b"], "p", [("famr", False), ("finetune", True)])
    run(log, "run-3", ["req-a"], "q", [("famr", True)])
    run(log, "run-4", ["req-c"], "p", [("famr", True)])
    found = earlier_attempts(log.entries(), ["req-a"], "p", EXACT)
    assert found == Earlier(attempts=3, approximate=2, spent=0.15)
    assert earlier_attempts(log.entries(), ["req-b", "req-d"], "p", EXACT) == Earlier(
        1, 1, spent=0.05
    )
    assert earlier_attempts(log.entries(), ["req-d"], "p", EXACT) == Earlier(spent=0.0)


def judged(log: Log, request: str, candidate: str) -> None:
    """Log what `lethe judge` leaves."""
    body = {"request": request, "candidate": candidate, "decision": "refused"}
    key = f"{request}/judgement-{len(log.entries())}"
    log.append(JUDGEMENT, body, key=key, now=NOW)


def test_candidates_from_outside_count_by_request_and_once_for_the_same_bytes(
    tmp_path: Path,
) -> None:
    """Every answer is counted; the same bytes get the same one, so that they err together."""
    log = Log.open(InFile(tmp_path / "log.jsonl"), Ed25519PrivateKey.generate())
    for request, candidate in (("req-a", "1"), ("req-a", "1"), ("req-b", "2"), ("req-c", "3")):
        judged(log, request, candidate)
    run(log, "run-1", ["req-a", "req-b"], "p", [("famr", True)])
    assert judgements(log.entries(), ["req-a", "req-b", "req-d"]) == {"req-a": 2, "req-b": 1}
    found = earlier_attempts(log.entries(), ["req-a", "req-b"], "p", EXACT)
    assert found == Earlier(attempts=1, approximate=1, outside=2, spent=0.075)


def test_what_was_not_judged_had_no_chance(tmp_path: Path) -> None:
    log = Log.open(InFile(tmp_path / "log.jsonl"), Ed25519PrivateKey.generate())
    run(log, "run-1", ["req-a"], "p", [])
    made = {"method": "famr", "sha256": "0" * 64}
    log.append("step", made, key="run-1/unlearned-0", now=NOW)
    assert earlier_attempts(log.entries(), ["req-a"], "p", EXACT) == Earlier(spent=0.0)


def parted(log: Log, part: str, whole: str, **more: str) -> None:
    """Log what holding some of a request leaves."""
    log.append("submitted", {"request": part, "part_of": whole, **more}, key=part, now=NOW)


def test_a_part_has_the_count_of_the_whole_until_it_was_taken_from_it(tmp_path: Path) -> None:
    """Before that a run's famr and a candidate from outside were judged by its examples: 5 % and
    2.5 %. What the rest judges afterwards is not, what the part itself does is: the same candidate
    is judged by fewer examples now, and may err again."""
    log = Log.open(InFile(tmp_path / "log.jsonl"), Ed25519PrivateKey.generate())
    run(log, "run-1", ["req-a"], "p", [("famr", True)])
    judged(log, "req-a", "1")
    parted(log, "req-a-1", "req-a", judged_with="req-a")
    run(log, "run-2", ["req-a"], "p", [("famr", True), ("famr", True)])
    judged(log, "req-a", "2")
    parted(log, "req-a-1-1", "req-a-1", judged_with="req-a-1")
    parted(log, "req-b-1", "req-a")
    judged(log, "req-a-1", "1")
    parts = ["req-a-1", "req-a-1-1", "req-b-1"]
    assert judgements(log.entries(), parts) == {"req-a-1": 2, "req-a-1-1": 1}
    assert [error_spent(log.entries(), one, EXACT) for one in parts] == [0.1, 0.075, 0.0]
    assert earlier_attempts(log.entries(), ["req-a-1-1"], "p", EXACT) == Earlier(1, 1, 1, 0.075)
    assert earlier_attempts(log.entries(), ["req-a"], "p", EXACT).attempts == 3
