"""What clean bases cost and give: the simulated year, and the trained candidates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.markdown import n_seeds, table
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


def measured(name: str) -> str:
    """Write accuracy, cost and verdicts of candidates from bases, beside those without."""
    result = load(name)
    asked, rows = result["settings"], result["rows"]
    keys = ("people", "candidate", "shards", "share", "teaching")
    cells = dict.fromkeys(tuple(row.get(key) for key in keys) for row in rows)
    lines = [_cell(cell, [r for r in rows if tuple(map(r.get, keys)) == cell]) for cell in cells]
    words = (
        f"{asked['train']:,} training images, {asked['network']}, {n_seeds(asked['seeds'])}; whole "
        f"training is {asked['epochs']} epochs.\n\n"
    )
    heads = ("people", "candidate", "passes", "processor seconds", "test accuracy", "decision")
    return words + table((*heads, "not passed"), lines)


def _cell(cell: tuple[Any, ...], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    people, candidate, shards, share, teaching = cell
    words = candidate
    if shards:
        how = "" if teaching is None else ", taught by bases" if teaching else ", labels"
        words = f"from {shards} shards{how}"
    done = [row for row in rows if "skipped" not in row]
    if not done:
        return [str(people), words, "", "", "", "skipped: too few clean", ""]
    seconds = sum(row["seconds"] for row in done) / len(done)
    seen = " ".join(f"{row['accuracy']['test']:.3f}" for row in done)
    said = ", ".join(f"{n} {what}" for what, n in Counter(r["decision"] for r in done).items())
    failed = Counter(
        f"{g} {o.lower()}" for r in done for g, o in r["gates"].items() if o != "PASSED"
    )
    told = ", ".join(f"{n} {what}" for what, n in failed.items())
    return [str(people), words, f"{share:g}", f"{seconds:.1f}", seen, said, told]
