"""What the page of the long forms says that they were asked for."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.pages.machinery import proof as page


def row(kind: str, test: str, changes: int) -> dict[str, Any]:
    told = {"proof": kind, "test": test, "n": changes // 50, "seconds": 1.0}
    return {**told, "passed": True, "changes": changes}


def test_tests_of_a_kind_that_were_asked_for_apart_are_told_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A file was raced for at 1,000 and PostgreSQL at 10,000: neither is what both were."""
    rows = [
        row("orders", "runTest", 10_000),
        row("raced", "test_no_promotion_is_lost[a file]", 1_000),
        row("raced", "test_no_promotion_is_lost[PostgreSQL]", 10_000),
        row("canary", "test_nothing_is_left", 1_000),
    ]
    result = {"rows": rows, "settings": {"changes": {r["proof"]: 1_000 for r in rows}}}
    monkeypatch.setattr(page, "load", lambda _: result)
    told = "canary 1,000, orders 10,000, raced (a file) 1,000, raced (PostgreSQL) 10,000."
    assert page.proof("proof").splitlines()[0] == f"Asked for: {told}"
