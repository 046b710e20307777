"""A year of requests: what each strategy spends, how long people wait, how accurate it is left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.markdown import table
from benchmarks.pages.results import load, there

UNMEASURED = "not measured"
ACCURACY = "year-accuracy"


def year(name: str) -> str:
    """Write computing in retrainings, then in seconds with waiting and assurance."""
    result = load(name)
    asked, rows = result["settings"], result["rows"]
    words = (
        f"{asked['people']:,} people, {asked['years']} simulated years, seed {asked['seed']}; the "
        "mean over the years, and where the middle 95 % of them lie. Retrainings a request, upkeep "
        "of bases included:\n\n"
    )
    rates = list(dict.fromkeys(row["requests_a_month"] for row in rows))
    heads = [f"{rate} a month" for rate in rates]
    cells = dict.fromkeys((row["served"], row["strategy"]) for row in rows)
    found = [[r for r in rows if (r["served"], r["strategy"]) == cell] for cell in cells]
    spent = table(("served", "strategy", *heads), map(_spent, found))
    seconds = asked["measured"]["retraining"]
    more = table(
        ("served", "strategy", *(f"s, {head}" for head in heads), "of it upkeep", "days", "A3"),
        (_waited(one, seconds) for one in found),
    )
    told = (
        f"\nProcessor seconds a request, a retraining being {seconds:.0f} s; of it upkeep, days "
        "from request to release (mean, most) and the share released as exact: at 10 a month.\n\n"
    )
    return words + spent + told + more


def _spent(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [rows[0]["served"], rows[0]["strategy"], *(_range(row["each"]) for row in rows)]


def _range(found: Mapping[str, float]) -> str:
    return f"{found['mean']:.3g} ({found['low']:.3g} to {found['high']:.3g})"


def _waited(rows: Sequence[Mapping[str, Any]], seconds: float) -> list[str]:
    middle = next(row for row in rows if row["requests_a_month"] == 10)
    days, upkeep = middle["days"], middle["upkeep_each"]["mean"] / middle["each"]["mean"]
    waits = f"{days['mean']:.1f}, {days['most']:.0f}" if days["most"] else "0"
    exact = f"{middle['exact_share']['mean']:.0%}"
    spent = (f"{seconds * row['each']['mean']:.3g}" for row in rows)
    return [middle["served"], middle["strategy"], *spent, f"{upkeep:.0%}", waits, exact]


def accuracy(name: str) -> str:
    """Write accuracies at both ends of the year, as far as they are measured for a strategy."""
    settings = load(name)["settings"]
    words = (
        "Test accuracy on CIFAR-10, where nothing else is said conv-medium on 10,000 images; at "
        f"the end {settings['gone']:,} of them are gone, as in a year of 100 requests a month.\n\n"
    )
    return words + table(("strategy", "at the beginning", "at the end", "of"), _accuracies(name))


def _accuracies(name: str) -> Iterator[list[str]]:
    rows = load(name)["rows"]
    for model in dict.fromkeys(row["model"] for row in rows):
        mine = [row for row in rows if row["model"] == model]
        ends = [[r["accuracy"] for r in mine if bool(r["gone"]) is gone] for gone in (False, True)]
        label = "retrain, each or collected" if model == "one network" else model
        yield [label, *(_mean(end) for end in ends), f"year-accuracy, n={len(ends[0])}"]
    costs = [row for row in load("head")["rows"]["costs"] if row["head"] == "ridge"]
    kept = {row["taken out"]: row["accuracy"] for row in costs}
    head = "head, n=1; its backbone had 25,000 other images; at the end without 1,000"
    yield ["head, downdated", f"{kept[1]:.3f}", f"{kept[1000]:.3f}", head]
    yield _warm()
    yield _approximate()


def _mean(found: Sequence[float]) -> str:
    return f"{np.mean(found):.3f} ({min(found):.3f} to {max(found):.3f})"


def _warm() -> list[str]:
    rows = load("lineage-cifar10")["rows"]
    retrained = [r["accuracy"]["test"] for r in rows if r["candidate"] == "retrain"]
    key = ("warm", 4, 0.3, 0.0)
    fields = ("candidate", "shards", "share", "teaching")
    warm = [r["accuracy"]["test"] for r in rows if tuple(map(r.get, fields)) == key]
    apart = 100 * (np.mean(warm) - np.mean(retrained))
    where = f"lineage-cifar10, n={len(warm)}, 5,000 images of half the side"
    return ["warm, 4 bases", f"{apart:+.1f} points beside a retrain", UNMEASURED, where]


def _approximate() -> list[str]:
    rows = {row["row"]: row for row in load("methods-cifar10-random")["rows"]["table"]}
    tried, aim = rows["finetune, tuned"]["TA"], rows["retrained"]["TA"]
    apart = 100 * (tried["mean"] - aim["mean"])
    where = f"methods-cifar10-random, n={tried['n']}, resnet20, one release, settings of its own"
    return ["approximate, finetune", f"{apart:+.1f} points beside a retrain", UNMEASURED, where]


def summed_up() -> Iterator[list[str]]:
    """Give the README's line."""
    if not there("year"):
        return
    rows = {
        (r["strategy"], r["served"]): r["each"]
        for r in load("year")["rows"]
        if r["requests_a_month"] == 100
    }
    collected, head = rows["retrain", "weekly"], rows["head, downdated", "each alone"]
    found = (
        f"{collected['mean']:.3f} where retraining is collected weekly, {head['mean']:.3f} by a "
        "head on a frozen backbone, 1 where each is retrained"
    )
    what = "retrainings a request, 100 requests a month of 10,000 people (simulated)"
    yield [what, found, f"{load('year')['settings']['years']} years"]
