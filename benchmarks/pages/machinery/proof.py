"""What the long forms of the tests found."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from benchmarks.markdown import table
from benchmarks.pages.results import load

WORDS = {
    "altered": "altered and looked at",
    "orders": "orders of events",
    "killed": "killed and begun again",
    "unanswered": "a registry that fails",
    "raced": "promoted by four at once",
    "canary": "a person looked for",
}
FAULTS = {"killed": "kill -9", "full": "a full disk", "broken": "an input or output error"}
ORDERS = "thirty things that happen to requests, in any order"


def proof(name: str) -> str:
    """Write each test with how often it tried, and that it found what it should."""
    result = load(name)
    groups = groupby(result["rows"], key=lambda row: (row["proof"], row["test"].split("[")[0]))
    rows = [_row(kind, test, list(cases)) for (kind, test), cases in groups]
    asked = f"Asked for: {', '.join(_asked(result['rows']))}.\n\n"
    return asked + table(("kind", "what was tried", "times", "found", "seconds"), rows)


def _asked(rows: list[Mapping[str, Any]]) -> Iterator[str]:
    """Say how often each kind was asked for; apart where its tests were asked for it apart."""
    for kind, found in groupby(sorted(rows, key=_kind), key=_kind):
        by_test = {row["test"]: row["changes"] for row in found}
        if len({*by_test.values()}) == 1:
            yield f"{kind} {next(iter(by_test.values())):,}"
        else:
            yield from (f"{kind} {_where(test)} {n:,}" for test, n in by_test.items())


def _kind(row: Mapping[str, Any]) -> str:
    return str(row["proof"])


def _where(test: str) -> str:
    """Give what a test was given, as the place that a promotion was raced for."""
    _, _, given = test.partition("[")
    return f"({given.removesuffix(']') or test})"


def _row(kind: str, test: str, cases: list[Mapping[str, Any]]) -> list[str]:
    words = re.sub(r"^test_", "", test).replace("_", " ")
    command, _, fault = kind.partition(" ")
    if fault:
        words = f"{FAULTS[fault]} at each change of a file"
    of = sum(case.get("of", 0) for case in cases)
    return [
        f"`lethe {command}`" if fault else WORDS[kind],
        ORDERS if test == "runTest" else words,
        f"{sum(case['n'] for case in cases):,}{f' of {of:,}' if of else ''}",
        _found(cases),
        f"{sum(case['seconds'] for case in cases):,.0f}",
    ]


def _found(cases: list[Mapping[str, Any]]) -> str:
    if not all(case["passed"] for case in cases):
        return "not"
    fenced = sum(case.get("fenced", 0) for case in cases)
    kept_out = f"; {fenced} times one who had lost the lock was kept out" if fenced else ""
    return f"as it should be{kept_out}"
