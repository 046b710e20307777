"""Shadow banks of several sizes, and U-LiRA: the tables that these benchmarks write themselves."""

from __future__ import annotations

from benchmarks.bank_study import tables
from benchmarks.pages.results import load
from benchmarks.ulira.study import page


def bank(name: str) -> str:
    """Write what banks of several sizes see."""
    result = load(name)
    lines = result["rows"]["table"]
    return f"**{tables.words(result['settings']['data'], lines)}**\n\n{tables.page(lines)}"


def ulira(name: str) -> str:
    """Write what U-LiRA sees of each method, beside what the gates' attack sees."""
    return page(load(name)["rows"])
