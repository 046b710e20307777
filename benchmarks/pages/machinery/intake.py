"""How fast requests are taken in: tables of the inbox alone and of the doors."""

from __future__ import annotations

from benchmarks.markdown import table
from benchmarks.pages.results import load


def speed(name: str) -> str:
    """Write for each number of connections how many requests a second, and how slow the slowest."""
    result = load(name)
    lines = [
        [
            str(row["connections"]),
            f"{row['calls']:,}",
            f"{row['per_second']:.0f}",
            f"{row['p50_ms']:.1f}",
            f"{row['p99_ms']:.1f}",
            f"{row['load_before']:.1f}",
        ]
        for row in result["rows"]
        if "connections" in row
    ]
    header = ("connections", "requests", "a second", "p50, ms", "p99, ms", "load before")
    asked = result["settings"]["asked"]
    words = f"Asked: {asked['per_second']} a second, p99 under {asked['p99_ms']} ms on 2 cores."
    settled = [row for row in result["rows"] if "settled" in row]
    told = [f" Settling one takes {row['ms_each']:.0f} ms there." for row in settled]
    return f"{table(header, lines)}\n{words}{''.join(told)}\n"


def storm(name: str) -> str:
    """Write what became of the events that were sent while the doors were killed."""
    kinds = ("valid", "duplicate", "replay", "forged", "malformed", "kills")
    outcomes = ("requests", "lost", "doubled", "of_others")
    rows = load(name)["rows"]
    lines = [[row["door"], *(str(row[key]) for key in (*kinds, *outcomes))] for row in rows]
    return table(("door", *kinds, *(key.replace("_", " ") for key in outcomes)), lines)
