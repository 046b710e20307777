"""A table in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(header: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """Write a table; a bar within a cell does not end it."""
    lines = [header, ["---"] * len(header), *rows]
    cells = ([str(cell).replace("|", "\\|") for cell in line] for line in lines)
    return "".join("| " + " | ".join(line) + " |\n" for line in cells)


def n_seeds(count: int) -> str:
    """Say how many seeds: one seed, or so many."""
    return "1 seed" if count == 1 else f"{count} seeds"
