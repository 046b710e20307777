"""What the long forms of the tests found."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import groupby
from typing import Any

from benchmarks.markdown import table
from benchmarks.pages.results import load

WORDS = {
    "altered": "altered and looked at",
    "orders": "orders of events",
    "killed": "killed and begun again",
    "canary": "a person looked for",
}
ORDERS = "thirty things that happen to requests, in any order"


def proof(name: str) -> str:
    """Write each test with how often it tried, and that it found what it should."""
    result = load(name)
    groups = groupby(result["rows"], key=lambda row: (row["proof"], row["test"].split("[")[0]))
    rows = [_row(kind, test, list(cases)) for (kind, test), cases in groups]
    changes = f"{result['settings']['changes']:,} alterations of each kind were asked for.\n\n"
    return changes + table(("kind", "what was tried", "times", "found", "seconds"), rows)


def _row(kind: str, test: str, cases: list[Mapping[str, Any]]) -> list[str]:
    words = re.sub(r"^test_", "", test).replace("_", " ")
    return [
        WORDS[kind],
        ORDERS if test == "runTest" else words,
        f"{sum(case['n'] for case in cases):,}",
        "as it should be" if all(case["passed"] for case in cases) else "not",
        f"{sum(case['seconds'] for case in cases):,.0f}",
    ]
