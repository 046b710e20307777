"""How often the intervals that gates read miss the truth, with people of several pictures.

    python -m benchmarks.coverage

Scores of forgotten people and of two and a half times as many strangers are drawn as normal
numbers, those of one person alike by a known share of their variance, so that every truth is known:
the AUC, the true-positive rate of a tail at 1 and at 5 %, the difference of two networks'
accuracies, and the mean score of one more model that saw nothing. Nominal 5 % of them miss. Writes
coverage.json.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from benchmarks import record
from unlearning.bank.as_one import Scored, spot
from unlearning.domain import FloatArray, IntArray
from unlearning.statistics.intervals import (
    Interval,
    auc_interval,
    clopper_pearson,
    paired_difference,
    tail_interval,
)

PEOPLE, PICTURES, LIKENESS = (10, 20, 60), (5, 12, 40), (0.0, 0.3, 0.6)
STRANGERS = 2.5
"""Strangers for each forgotten person."""

SHADOWS = 32


@dataclass(frozen=True)
class Cell:
    """So many people of so many pictures each, and the share of variance that is a person's own."""

    people: int
    pictures: int
    likeness: float


def scores(cell: Cell, people: int, rng: np.random.Generator) -> tuple[FloatArray, IntArray]:
    """Draw normal scores and whose they are, two of (people * pictures,)."""
    owners = np.repeat(np.arange(people), cell.pictures)
    common = rng.normal(size=people)[owners]
    own = rng.normal(size=len(owners))
    return np.sqrt(cell.likeness) * common + np.sqrt(1 - cell.likeness) * own, owners


def drawn(cell: Cell, truth: float, rng: np.random.Generator) -> Iterator[tuple[str, bool]]:
    """Draw once and say of each interval whether it missed; truth: the AUC."""
    lift = float(np.sqrt(2) * stats.norm.ppf(truth))
    members, owners = scores(cell, cell.people, rng)
    others, strangers = scores(cell, round(STRANGERS * cell.people), rng)
    sides = members + lift, others, owners, strangers
    yield "auc", _missed(auc_interval(*sides), truth)
    for fpr in (0.01, 0.05):
        wanted = float(stats.norm.sf(stats.norm.isf(fpr) - lift))
        yield f"tail at {fpr:g}", _missed(tail_interval(*sides, fpr=fpr), wanted)
    again = np.sqrt(0.8) * members + np.sqrt(0.2) * scores(cell, cell.people, rng)[0]
    before, after = (
        (of < stats.norm.isf(rate)).astype(np.float64)
        for of, rate in ((members, 0.10), (again, 0.12))
    )
    yield "accuracy", _missed(paired_difference(before, after, owners), 0.02)


def mean_scores(cell: Cell, rng: np.random.Generator) -> bool:
    """Draw a bank's mean scores and one more model's, and say whether its range missed that."""
    half = rng.random((SHADOWS // 2, cell.people)) < 0.5  # of far more people
    found = []
    for saw in np.concatenate([half, ~half]):
        drawn_, owners = scores(cell, cell.people, rng)
        found.append(Scored(drawn_ + saw[owners], saw[owners]))
    one_more = scores(cell, cell.people, rng)[0].mean()
    return _missed(spot(found, owners, seen=False).interval(), float(one_more))


def _missed(found: Interval, truth: float) -> bool:
    return not found.low <= truth <= found.high


def counted(cell: Cell, draws: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Give for each interval the share of draws in which it missed, at two true AUCs."""
    missed: dict[str, list[bool]] = {}
    for truth in (0.5, 0.6):
        for _ in range(draws // 2):
            for name, says in drawn(cell, truth, rng):
                missed.setdefault(name, []).append(says)
    missed["mean score"] = [mean_scores(cell, rng) for _ in range(draws)]
    for name, said in missed.items():
        share = clopper_pearson(sum(said), len(said))
        found = [round(x, 4) for x in (share.value, share.low, share.high)]
        yield {
            "interval": name,
            "people": cell.people,
            "pictures": cell.pictures,
            "likeness": cell.likeness,
            "missed": found,
        }


def run(args: argparse.Namespace) -> Path:
    """Run the simulation and give the path of its JSON file."""
    rng = np.random.default_rng(args.seed)
    cells = [Cell(*numbers) for numbers in product(PEOPLE, PICTURES, LIKENESS)]
    rows = [row for cell in cells for row in counted(cell, args.draws, rng)]
    settings = {"draws": args.draws, "seed": args.seed, "strangers": STRANGERS, "shadows": SHADOWS}
    return record.write("coverage", settings, rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="coverage", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    record.perform("coverage", lambda: run(args))
