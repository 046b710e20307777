"""How many changed copies of erased pictures are known again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.markdown import table
from benchmarks.pages.results import load


def alike(name: str) -> str:
    """Write how many of each change are known, and how many strangers asked about in vain."""
    result = load(name)
    asked, rows = result["settings"], result["rows"]
    changes = list(rows[0]["known"])
    lines = [
        [
            f"{row['data']}, {row['size']} pixels",
            *(_share(row["known"][change]) for change in changes),
            f"{row['asked in vain']['hits']} of {row['asked in vain']['n']:,}",
        ]
        for row in rows
    ]
    words = (
        f"{asked['erased']} pictures erased, told apart from {asked['sample']:,} others, at most "
        f"{asked['most']} bits. Of changed copies so many were known again, in per cent, with "
        "95 % intervals; of strangers who came in later so many were asked about:\n\n"
    )
    return words + table(("data", *changes, "asked in vain"), lines)


def _share(found: Mapping[str, Any]) -> str:
    ends = f"{100 * found['low']:.0f} to {100 * found['high']:.0f}"
    return f"{100 * found['hits'] / found['n']:.0f} ({ends})"
