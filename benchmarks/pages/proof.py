"""What the long forms of the tests found."""

from __future__ import annotations

import re

from benchmarks.markdown import table
from benchmarks.pages.results import load

WORDS = {
    "altered": "altered and looked at",
    "orders": "orders of events",
    "killed": "killed and begun again",
    "canary": "a person looked for",
}


def proof(name: str) -> str:
    """Write each test with how often it tried, and that it found what it should."""
    result = load(name)
    rows = [
        [
            WORDS[row["proof"]],
            re.sub(r"^test_", "", row["test"]).replace("_", " "),
            f"{row['n']:,}" if row["n"] else "once",
            "as it should be" if row["passed"] else "not",
            f"{row['seconds']:,.0f}",
        ]
        for row in result["rows"]
    ]
    changes = f"{result['settings']['changes']:,} alterations of each kind were asked for.\n\n"
    return changes + table(("kind", "what was tried", "times", "found", "seconds"), rows)
