"""Whether a tenth of a forget set does what all of it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.markdown import table
from benchmarks.pages.results import load

HEADER = (
    "forgotten",
    "knowledge by",
    "core of",
    "known before",
    "lost by all",
    "core's share",
    "others' share in the core",
    "random tenths, 5 to 95 %",
    "spread out",
    "core",
    "verdict",
)


def coreset(name: str) -> str:
    """Write each forget set by each measure of knowledge."""
    result = load(name)
    of = result["settings"]
    words = (
        f"**{of['data']}**, `{of['method']}` of {of['epochs']} epochs; {of['trials']} halves to "
        f"search by, {of['seeds']} unlearning seeds, {of['chance']} random tenths. Each row has "
        "the core that was searched by its own measure; shares with Fieller's 95 % interval.\n\n"
    )
    return words + table(HEADER, [_line(row) for row in result["rows"]])


def _line(row: Mapping[str, Any]) -> list[str]:
    low, _, high = row["chance"]
    return [
        row["task"],
        row["knowledge"],
        f"{row['core']} of {row['examples']}",
        f"{row['before']:.3f}",
        f"{row['whole']:.3f}",
        _interval(row["share"]),
        _interval(row["spared"]),
        f"{low:.3f} to {high:.3f}",
        f"{row['spread']:.3f}",
        f"{row['effect']:.3f}",
        row["outcome"].lower(),
    ]


def _interval(of: Sequence[float]) -> str:
    return f"{of[0]:.2f} [{of[1]:.2f}, {of[2]:.2f}]"
