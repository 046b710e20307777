"""What each rung costs, and which gates and doors hold it back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

from benchmarks.markdown import table
from benchmarks.pages.results import load

DOORS = {
    "forget_auc": "attack AUC",
    "door/refitted": "refitted",
    "door/relearned": "relearned",
    "door/moved": "moved",
    "memorised_auc": "memorised tenth",
}
HEADER = ("", "passes", "processor s", "decisions", *DOORS.values(), "test accuracy", "not passed")

Row = Mapping[str, Any]


def rungs(name: str) -> str:
    """Write a ground's rungs, from the cheapest; each is the mean of all seeds, with its range."""
    found, settings = load(name)["rows"], load(name)["settings"]
    champion = settings["champion"]
    words = (
        f"**{settings['data']}**: {settings['network']}, {settings['train']:,} training examples, "
        f"{settings['epochs']} epochs, {settings['shadows']} shadows; champion's accuracy "
        f"{champion['test']:.1%}, on training examples {champion['train']:.1%}. "
        f"{settings['forgotten']} examples forgotten, {settings['seeds']} forget sets; all judged "
        "as approximate. Passes are over those of a retraining.\n\n"
    )
    names = dict.fromkeys(row["rung"] for row in found)
    each = [[row for row in found if row["rung"] == rung] for rung in names]
    return words + table(HEADER, [_line(rows) for rows in sorted(each, key=_passes)])


def _passes(rows: Sequence[Row]) -> float:
    return _mean([row["passes"] for row in rows])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _line(rows: Sequence[Row]) -> list[str]:
    decisions = Counter(row["decision"] for row in rows)
    failed = Counter(
        f"{gate} {outcome.lower()}"
        for row in rows
        for gate, (outcome, _) in row.get("gates", {}).items()
        if outcome != "PASSED"
    )
    return [
        rows[0]["rung"],
        f"{_passes(rows):.2f}",
        _numbers([row.get("processor_seconds") for row in rows], "{:.1f}"),
        _counted(decisions),
        *(_ranged([row.get("measured", {}).get(door) for row in rows]) for door in DOORS),
        _numbers([row.get("test_accuracy") for row in rows], "{:.3f}"),
        _counted(failed),
    ]


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {said}" for said, count in sorted(counts.items()))


def _measured(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None and not isnan(value)]


def _numbers(values: Sequence[float | None], form: str) -> str:
    there = _measured(values)
    return form.format(_mean(there)) if there else ""


def _ranged(values: Sequence[float | None]) -> str:
    there = _measured(values)
    return f"{_mean(there):.2f} ({min(there):.2f} to {max(there):.2f})" if there else ""
