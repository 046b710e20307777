"""What the gates said of planted candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.gates.tables import BAD, as_judged, pooled
from benchmarks.markdown import n_seeds, table
from benchmarks.pages.results import load, named, page_of

USUAL = "the usual gate"
SAID = ("released", "refused", "inconclusive", "released by the usual gate")


def operating(name: str) -> str:
    """Write what is demanded of the gates, and what they said of each candidate."""
    result = load(name)
    settings, rows = result["settings"], result["rows"]
    words = (
        f"**{settings['data']}**: {settings['recipe']['network']}, {settings['train']:,} training, "
        f"{settings['holdout']:,} holdout and {settings['test']:,} test examples, "
        f"{settings['shadows']} shadows, up to {_seeds_of(settings)} with a champion each. All "
        "are judged as made elsewhere: none counts as exact. In brackets 95 % intervals.\n\n"
    )
    said = [
        [row["candidate"], row["is a"], row["n"], *(share(row[word]) for word in SAID)]
        for row in rows["candidates"]
    ]
    header = ("candidate", "is", "n", "released", "refused", "inconclusive", f"{USUAL} releases")
    return (
        words
        + _demanded(_with_judged(rows))
        + "\nEach candidate, on the requests on which no door broke it:\n\n"
        + table(header, said)
        + "\n"
        + doors(rows.get("doors", []))
        + page_of(name, "Each request")
    )


def together(name: str) -> str:
    """Write the demands over all champions: a ground's result, and those from later seeds on."""
    further = named(f"{name}-from-*")
    results = [load(one) for one in (name, *further)]
    champions = sum(r["settings"]["seeds"] - r["settings"].get("first", 0) for r in results)
    return f"All {champions} champions.\n\n" + _demanded(demands_of(name))


def demands_of(name: str) -> list[dict[str, Any]]:
    """Give what was demanded on a ground and found, over all its results."""
    results = [load(one)["rows"] for one in (name, *named(f"{name}-from-*"))]
    return pooled([_with_judged(rows) for rows in results])


def _with_judged(rows: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Add to what the gates said of the bad ones what `lethe judge` would have said."""
    is_a = {row["candidate"]: row["is a"] for row in rows["table"]}
    place = 1 + [row["demand"] for row in rows["demands"]].index(BAD)
    judged = as_judged(rows["cells"], is_a)
    return [*rows["demands"][:place], judged, *rows["demands"][place:]]


def _seeds_of(settings: dict[str, Any]) -> str:
    return n_seeds(settings["seeds"] - settings.get("first", 0))


def _demanded(rows: Sequence[dict[str, Any]]) -> str:
    lines = [
        [d["demand"], d["n"], share(d["found"]), share(d["usual gate"]), _met(d)] for d in rows
    ]
    return table(("demand", "n", "found", f"by {USUAL}", ""), lines)


FIRST = ("attack", "tails")
"""What is asked of the answers themselves; the doors stand behind it."""


def doors(rows: Sequence[dict[str, Any]]) -> str:
    """Write for each way of asking how many it holds back, and how many no other way would."""
    if not rows:
        return ""
    found = dict.fromkeys(way for row in rows for way in row["held"])
    ways = (*FIRST, *(way for way in found if way not in FIRST))
    lines = [
        [row["candidate"], row["is a"], *(_held(row["held"].get(way)) for way in ways)]
        for row in rows
    ]
    return (
        "How many each way of asking holds back, of how many that were asked so; after the plus, "
        "those that no other way would have held back. Of honest retrains that is its cost; "
        "whoever a door broke is not in it:\n\n" + table(("candidate", "is", *ways), lines) + "\n"
    )


def _held(found: Sequence[int] | None) -> str:
    if not found:
        return "-"
    back, only, of = found
    return f"{back} of {of}" + (f", +{only}" if only else "")


def share(found: Sequence[float] | None) -> str:
    """Write a share with its interval."""
    return "-" if found is None else "{:.1%} ({:.1%} to {:.1%})".format(*found)


def _met(demand: dict[str, Any]) -> str:
    return "met" if demand["met"] else "**not met**"
