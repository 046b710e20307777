"""What became of a rung before is counted in the log: the like alone, and each try once."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.lines import InFile
from ledger.log import Log
from ledger.replay.chances import REHEARSED, Asked, Counted, counted

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
ASKED = Asked("this rung", 20, likewise=False)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log.open(InFile(tmp_path / "log.jsonl"), Ed25519PrivateKey.generate())


def run(
    log: Log,
    number: int,
    decision: str,
    *,
    rung: str = "this rung",
    train: int = 20,
    likewise: bool = False,
    request: str | None = None,
    hindered: bool = False,
) -> None:
    ref = f"run-{number}"
    for event, step, body in (
        ("run_started", "started", {"run": ref, "requests": [request or f"req-{number}"]}),
        ("step", "begun", {"parent_sha256": "p"}),
        ("step", "extracted", {"train": train, "likewise": likewise}),
        ("step", "unlearned-0", {"method": "finetune", "rung": rung, "hindered": hindered}),
        ("step", "judged-0", {"decision": decision}),
    ):
        log.append(event, body, key=f"{ref}/{step}", now=NOW)


def rehearsal(log: Log, seed: int, *, passed: bool, examples: int = 20) -> None:
    body = {"rung": "this rung", "examples": examples, "likewise": False, "passed": passed}
    log.append(REHEARSED, body, key=f"{REHEARSED}/{seed}", now=NOW)


def test_the_like_is_counted(log: Log) -> None:
    """Of half to twice the examples, of people, by this rung: two of six runs, one released."""
    run(log, 1, "released", train=40)
    run(log, 2, "inconclusive", train=10)
    run(log, 3, "released", train=41)
    run(log, 4, "released", train=9)
    run(log, 5, "released", likewise=True)
    run(log, 6, "released", rung="other settings")
    assert counted(log.entries(), ASKED) == Counted("attempts", 1, 2)


def test_the_same_again_makes_the_same_candidate_and_counts_once(log: Log) -> None:
    for number in range(5):
        run(log, number, "refused", request="req-a")
    assert counted(log.entries(), ASKED) == Counted("attempts", 0, 1)


def test_what_there_is_more_of_counts(log: Log) -> None:
    """Two rehearsals against one attempt; one of another size is none of them."""
    run(log, 1, "refused")
    rehearsal(log, 1, passed=True)
    rehearsal(log, 2, passed=False)
    rehearsal(log, 3, passed=True, examples=200)
    assert counted(log.entries(), ASKED) == Counted("rehearsals", 1, 2)


def test_nothing_is_known_of_what_was_never_tried(log: Log) -> None:
    assert counted(log.entries(), ASKED).tried == 0


def test_an_attempt_without_a_candidate_was_one(log: Log) -> None:
    """A method that failed is refused: it was tried, and nothing was released."""
    run(log, 1, "refused")
    assert counted(log.entries(), ASKED) == Counted("attempts", 0, 1)


def test_an_attempt_that_memory_or_a_lost_file_held_back_tells_nothing(log: Log) -> None:
    """On a larger machine the same rung may well be released."""
    for number in range(40):
        run(log, number, "refused", hindered=True)
    run(log, 40, "released")
    assert counted(log.entries(), ASKED) == Counted("attempts", 1, 1)


def test_runs_from_before_name_no_rung_and_are_not_counted(log: Log) -> None:
    log.append("run_started", {"run": "run-0", "requests": ["r"]}, key="run-0/started", now=NOW)
    log.append("step", {"method": "finetune"}, key="run-0/unlearned-0", now=NOW)
    log.append("step", {"decision": "refused"}, key="run-0/judged-0", now=NOW)
    assert counted(log.entries(), ASKED).tried == 0
