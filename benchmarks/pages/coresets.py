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


CAUSES = (
    "forgotten",
    "knowledge by",
    "may be shrunk",
    "known before",
    "lost by unlearning all",
    "lost by retraining",
    "halves that do as much",
    "most necessary example",
    "most sufficient example",
    "core necessary",
    "core sufficient",
)


def causes(name: str) -> str:
    """Write what retraining takes, and which examples and parts are causes of forgetting."""
    result = load(name)
    of = result["settings"]
    words = (
        f"**{of['data']}**, `{of['method']}` of {of['epochs']} epochs. Lost: of all that is asked, "
        f"{of['seeds']} unlearning seeds and {of['retrains']} retrained models, with Student's "
        f"95 % interval. A half of the {of['trials']} does as much where it takes nine tenths of "
        "what all take. Examples: bounds of the probability (Tian and Pearl), and in brackets what "
        "the largest lower bound reaches by chance 95 times of 100. The core, which has been "
        f"chosen by its own measure: shares of the {of['seeds']} seeds.\n\n"
    )
    return words + table(CAUSES, [_caused(row) for row in result["rows"]])


def _caused(row: Mapping[str, Any]) -> list[str]:
    return [
        row["task"],
        row["knowledge"],
        "refused" if row["shrunk"] == "REFUSED" else "a class",
        f"{row['before']:.3f}",
        *(_mean(row[key]) for key in ("whole", "retrained")),
        f"{row['forgotten']} of {row['trials']}",
        *(_bounds(row[key]) for key in ("necessity", "sufficiency")),
        *(_part(row, key) for key in ("core_necessary", "core_sufficient")),
    ]


def _mean(of: Sequence[float]) -> str:
    return f"{of[0]:.3f} ({of[1]:.3f} to {of[2]:.3f})"


def _bounds(of: Sequence[float] | None) -> str:
    """Write the bounds; where nothing was forgotten, or nothing kept, there is nothing to ask."""
    return "nothing to ask" if of is None else f"{of[0]:.2f} to {of[1]:.2f} ({of[2]:.2f})"


def _part(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    return "" if value is None else f"{value:.1f}"
