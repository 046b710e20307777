"""Exact by lineage: no stored network on the path may have learned from what is forgotten."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.chain import Entry
from ledger.replay.ancestry import (
    ancestry_contradictions,
    base_of,
    shard_contradictions,
    standing_bases,
)

A, B = "a" * 64, "b" * 64


def entries(*events: tuple[str, str, dict[str, Any]]) -> list[Entry]:
    return [
        Entry(seq, "", "", event, key, body, "", "")
        for seq, (event, key, body) in enumerate(events, 1)
    ]


def built(
    sha256: str, number: int, left_out: tuple[str, ...] = ()
) -> tuple[str, str, dict[str, Any]]:
    body = {"sha256": sha256, "base": number, "of": 2, "left_out": list(left_out), "recipe": "r"}
    return "base_built", f"base/{number}/1", body


EXTRACTED = ("step", "run-1/extracted", {})


def statement(ancestors: list[str], shards: dict[str, list[str]]) -> dict[str, Any]:
    return {
        "requests": ["req-1"],
        "attempts": [{"method": "warm_retrain", "ancestors": ancestors}],
        "forget_set": {"lineage": {"ancestors": ancestors, "shards": shards}},
    }


def problems(said: dict[str, Any], log: list[Entry]) -> list[str]:
    return list(ancestry_contradictions(said, log, "run-1"))


def test_a_base_of_other_shards_is_a_clean_ancestor() -> None:
    """Shard 0a is even and so in base 0 of 2; base 1 never saw it."""
    log = entries(built(A, 0), built(B, 1), EXTRACTED)
    assert problems(statement([B], {"req-1": ["0a"]}), log) == []


def test_a_base_that_holds_a_shard_of_the_forgotten_is_named() -> None:
    log = entries(built(A, 0), EXTRACTED)
    (problem,) = problems(statement([A], {"req-1": ["0a"]}), log)
    assert "may have learned" in problem and problem.startswith("attempt 1")


def test_nor_may_it_have_learned_from_who_is_left_out_for_another_open_request() -> None:
    """What is released counts as never having seen them, and stays when they are erased."""
    log = entries(built(A, 0), EXTRACTED)
    assert problems(statement([A], {"req-1": ["01"], "req-2": ["0a"]}), log)


def test_who_was_left_out_when_it_was_built_was_not_seen() -> None:
    log = entries(built(A, 0, ("req-1",)), EXTRACTED)
    assert problems(statement([A], {"req-1": ["0a"]}), log) == []


@pytest.mark.parametrize(
    "log",
    [
        entries(EXTRACTED),
        entries(EXTRACTED, built(B, 1)),
        entries(built(B, 1), ("base_removed", "x", {"sha256": B, "run": None}), EXTRACTED),
        entries(built(B, 1)),
    ],
    ids=["never built", "built later", "removed before", "no forget set"],
)
def test_an_ancestor_must_have_stood_when_the_run_began(log: list[Entry]) -> None:
    assert any("has no base" in line for line in problems(statement([B], {"req-1": ["0a"]}), log))


def test_a_candidate_without_ancestors_or_with_others_is_named() -> None:
    log = entries(built(A, 0), built(B, 1), EXTRACTED)
    other = statement([B], {"req-1": ["0a"]})
    other["attempts"][0]["ancestors"] = [A]
    assert problems(statement([], {"req-1": ["0a"]}), log)
    assert problems(other, log)


def test_an_erasure_of_more_shards_than_were_named_is_named() -> None:
    first = statement([B], {"req-1": ["0a"], "req-2": ["03"]})
    assert list(shard_contradictions(first, {"erased": {"shards": ["0a"]}})) == []
    assert list(shard_contradictions(first, {"erased": {"shards": ["0a", "03"]}}))


def test_what_was_built_again_after_its_removal_stands() -> None:
    gone = ("base_removed", "x", {"sha256": A, "run": "run-1"})
    log = entries(built(A, 0), gone, built(A, 0, ("req-1",)))
    assert standing_bases(log) == (base_of(log[-1].body),)
    assert standing_bases(log[:2]) == ()
