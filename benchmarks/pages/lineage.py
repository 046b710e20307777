"""What clean bases cost and give: the simulated year, and the trained candidates."""

from __future__ import annotations

from benchmarks.markdown import table
from benchmarks.pages.results import load


def year(name: str) -> str:
    """Write for each scheme what a person who asks costs, at each rate and way of serving."""
    rows = load(name)["rows"]
    cells = list(dict.fromkeys((row["requests_a_month"], row["served"]) for row in rows))
    lines = []
    for scheme in dict.fromkeys(row["scheme"] for row in rows):
        mine = {(r["requests_a_month"], r["served"]): r for r in rows if r["scheme"] == scheme}
        first = next(iter(mine.values()))
        found = [f"{mine[cell]['each']:.2f} ({mine[cell]['clean_share']:.0%})" for cell in cells]
        lines.append([scheme, str(first["stored"]), *found])
    heads = [f"{rate} a month, {_words(served)}" for rate, served in cells]
    return table(("bases", "stored", *heads), lines)


def _words(served: str) -> str:
    return "each alone" if served == "each" else "collected weekly"
