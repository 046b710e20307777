"""Shadow banks of several sizes, and U-LiRA: the tables that these benchmarks write themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from benchmarks.bank_study import tables
from benchmarks.markdown import table
from benchmarks.pages.gates import share
from benchmarks.pages.results import load
from benchmarks.ulira.study import page
from unlearning.statistics.intervals import clopper_pearson


def bank(name: str) -> str:
    """Write what banks of several sizes see."""
    result = load(name)
    lines = result["rows"]["table"]
    return f"**{tables.words(result['settings']['data'], lines)}**\n\n{tables.page(lines)}"


def ulira(name: str) -> str:
    """Write what U-LiRA sees of each method, beside what the gates' attack sees."""
    return page(load(name)["rows"])


APART = "models without it"


def groups(name: str) -> str:
    """Write what was said of batches of people who go together, and of random draws as large."""
    rows = load(name)["rows"]
    keys = ("album", "forgotten", "held against")
    cells = dict.fromkeys(tuple(row.get(key) for key in keys) for row in rows)
    lines = [
        _group([row for row in rows if tuple(row.get(key) for key in keys) == cell])
        for cell in cells
    ]
    header = (
        "pictures",
        "forgotten",
        "n",
        "mates erased",
        "held against",
        "champion and its flattened forms",
        "honest retrains",
        "their AUC",
    )
    drawn = [row for row in rows if "at random" in row["forgotten"]]
    groups = [row for row in rows if "at random" not in row["forgotten"]]
    apart = [row for row in groups if row.get("held against") == APART]
    words = [
        _pooled("Of groups, held against shadows", [row for row in groups if row not in apart]),
        *([_pooled("Of groups, held against models trained without them", apart)] if apart else []),
        _pooled("Of random draws", drawn),
    ]
    return table(header, lines) + "\n" + "\n".join(words) + "\n"


def _group(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    first = rows[0]
    mates = "{:.2f} [{:.2f}, {:.2f}]".format(*first["erased_mates"])
    gross, good = ([row for row in rows if row["is a"] == kind] for kind in ("gross", "good"))
    aucs = ", ".join(f"{row['forget_auc'][0]:.2f}" for row in good)
    return [
        first["album"],
        first["forgotten"],
        str(first["examples"]),
        mates,
        first.get("held against", "shadows"),
        _said(gross),
        _said(good),
        aucs,
    ]


def _said(rows: Iterable[Mapping[str, Any]]) -> str:
    counts = Counter(row["decision"] for row in rows)
    return ", ".join(f"{count} {said}" for said, count in sorted(counts.items()))


def _pooled(words: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Say how many honest retrains were refused, and how many were released that forgot nothing."""
    good = [row["decision"] for row in rows if row["is a"] == "good"]
    gross = [row["decision"] for row in rows if row["is a"] == "gross"]
    refused, released = (
        clopper_pearson(good.count("refused"), len(good)),
        clopper_pearson(gross.count("released"), len(gross)),
    )
    found = [[i.value, i.low, i.high] for i in (refused, released)]
    return (
        f"{words}: of {len(good)} honest retrains {share(found[0])} were refused and "
        f"{good.count('released')} released, of {len(gross)} that forgot nothing {share(found[1])} "
        "released."
    )


def coverage(name: str) -> str:
    """Write how often each interval misses: over all cells, and in the worst of them."""
    result = load(name)
    draws = result["settings"]["draws"]
    lines = list(_misses(result["rows"]))
    words = f"Shares of {draws:,} draws a cell in which the truth lay outside; nominal 5 %.\n\n"
    return words + table(("interval", "cells", "mean", "fewest", "most", "where"), lines)


def _misses(rows: Sequence[Mapping[str, Any]]) -> Iterator[list[str]]:
    for name in dict.fromkeys(row["interval"] for row in rows):
        of = sorted((row for row in rows if row["interval"] == name), key=lambda row: row["missed"])
        shares = [row["missed"][0] for row in of]
        worst = of[-1]
        where = f"{worst['people']} people of {worst['pictures']}, likeness {worst['likeness']}"
        mean = sum(shares) / len(shares)
        yield [name, str(len(of)), f"{mean:.1%}", f"{shares[0]:.1%}", f"{shares[-1]:.1%}", where]
