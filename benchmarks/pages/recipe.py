"""Networks and trainings beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

from benchmarks.markdown import n_seeds, table
from benchmarks.pages.results import load


def recipes(name: str) -> str:
    """Write what each recipe of a data set costs and learns, with its range over the seeds."""
    rows = load(name)["rows"]
    names = dict.fromkeys(row["recipe"] for row in rows)
    by = {recipe: [row for row in rows if row["recipe"] == recipe] for recipe in names}
    before = mean(row["cpu_seconds"] for row in by["before"])
    first = rows[0]
    words = f"**{first['data']}**: {first['n']:,} training examples, "
    words += f"{n_seeds(len(by['before']))}.\n\n"
    header = ("recipe", "network", "epochs", "seconds", "of before", "test", "training", "gap")
    return words + table(header, [_line(recipe, of, before) for recipe, of in by.items()])


def _line(recipe: str, rows: Sequence[Mapping[str, Any]], before: float) -> list[str]:
    seconds = mean(row["cpu_seconds"] for row in rows)
    return [
        recipe,
        rows[0]["network"],
        str(rows[0]["training"]["epochs"]),
        f"{seconds:.1f}",
        f"{seconds / before:.0%}",
        _range([row["test_accuracy"] for row in rows]),
        _range([row["train_accuracy"] for row in rows]),
        f"{mean(row['gap'] for row in rows):.1%}",
    ]


def _range(values: Sequence[float]) -> str:
    middle = f"{mean(values):.1%}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.1%} to {max(values):.1%})"


def layers(name: str) -> str:
    """Write what fine-tuning by layers' rates and warm-up gives, with its range over the seeds."""
    rows = load(name)["rows"]
    peaks, ways = ({row[key]: None for row in rows} for key in ("peak", "way"))
    header = ("", *(f"{part}, rate {p:g}" for p in peaks for part in ("test", "training")))
    lines = []
    for way in ways:
        of = [[row for row in rows if (row["way"], row["peak"]) == (way, peak)] for peak in peaks]
        parts = ("test_accuracy", "train_accuracy")
        lines.append([way, *(_range([r[k] for r in some]) for some in of for k in parts)])
    return table(header, lines)
