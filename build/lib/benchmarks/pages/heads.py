"""Fitted heads: what each costs, and what the gates say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.markdown import table
from benchmarks.pages.results import load

COSTS = ("head", "taken out", "downdated, s", "fitted anew, s", "largest difference", "accuracy")


def head(name: str) -> str:
    """Write what downdating costs beside a refit and a whole network, and what each gate says."""
    rows, settings = load(name)["rows"], load(name)["settings"]
    whole = rows["whole network"]
    words = (
        f"**CIFAR-10, {settings['network']}**: a backbone of {settings['lent']:,} other images, a "
        f"head of {settings['train']:,}; processor seconds. A whole network on these takes "
        f"{whole['processor_seconds']:.0f} s in {settings['epochs']} epochs and has accuracy "
        f"{whole['accuracy']:.3f}. After {rows['successive'][0]['deletions']} people were taken "
        f"out one after the other, the largest difference of a weight is {_successive(rows)}.\n\n"
    )
    return words + table(COSTS, map(_cost, rows["costs"])) + "\n" + _gates(rows["gates"])


def _successive(rows: Mapping[str, Any]) -> str:
    found = ({**row} for row in rows["successive"])
    return ", ".join(f"{row['largest difference']:.1g} ({row['head']})" for row in found)


def _cost(row: Mapping[str, Any]) -> list[str]:
    spent = (row[key]["processor_seconds"] for key in ("downdated", "fitted anew"))
    return [
        row["head"],
        f"{row['taken out']:,}",
        *(f"{seconds:.2f}" for seconds in spent),
        f"{row['largest difference']:.1g}",
        f"{row['accuracy']:.3f}",
    ]


def _gates(rows: Sequence[Mapping[str, Any]]) -> str:
    names = list(rows[0]["gates"])
    lines = []
    for row in rows:
        judged = "by lineage" if row["as exact"] else "as approximate"
        said = (row["gates"][gate][0] for gate in names)
        lines.append(
            [row["head"], row["forgotten"], row["candidate"], judged, row["decision"], *said]
        )
    return table(("head", "forgotten", "candidate", "judged", "decision", *names), lines)
