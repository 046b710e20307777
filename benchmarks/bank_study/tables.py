"""What banks of a size, a share and a calibration see, over forget sets and seeds. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.bank_study.cells import CHAMPION, RETRAINED, SHADOW, Seen
from benchmarks.gates.tables import grouped
from benchmarks.markdown import n_seeds
from benchmarks.markdown import table as markdown
from benchmarks.means import mean_of
from unlearning.domain import Outcome
from unlearning.statistics.intervals import LEVEL, Interval, clopper_pearson


def by_seed(rows: Sequence[Seen], value: Callable[[Seen], float]) -> Interval:
    """Give the mean over seeds, with Student's interval over these.

    A seed's forget sets, networks and draws are averaged first: they share a champion.
    """
    seeds = grouped(rows, lambda row: row.seed).values()
    return mean_of([float(np.mean([value(row) for row in of])) for of in seeds])


def share_of(rows: Sequence[Seen], said: Callable[[Seen], bool]) -> Interval:
    """Give the share of networks of which something holds, with Clopper and Pearson's interval.

    Draws of a bank say several times something of the same network; n is the number of networks.
    """
    draws = len({row.draw for row in rows})
    return clopper_pearson(sum(map(said, rows)) / draws, len(rows) / draws)


def covered(row: Seen) -> bool:
    """Say whether a network lies in the null band."""
    low, _, high = row.null
    return low <= row.auc <= high


def reach(row: Seen) -> float:
    """Give how far a network lies from the band's middle, in halves of the band's width."""
    low, middle, high = row.null
    return abs(row.auc - middle) / ((high - low) / 2)


def table(rows: Sequence[Seen]) -> list[dict[str, Any]]:
    """Sum up each share, size and calibration; where the bank is too small, say why."""
    groups = grouped(rows, lambda row: (row.share, row.shadows, row.calibration))
    return [
        {"share": share, "shadows": size, "calibration": name, **_line(of)}
        for (share, size, name), of in groups.items()
    ]


def _line(rows: Sequence[Seen]) -> dict[str, Any]:
    if not all(row.measured for row in rows if row.network != SHADOW):
        return {"too small": next(row.said for row in rows if not row.measured)}
    champion, honest = ([r for r in rows if r.network == kind] for kind in (CHAMPION, RETRAINED))
    left_out = [row for row in rows if row.network == SHADOW and row.measured]
    return {
        "draws": len({row.draw for row in rows}),
        "seeds": len({row.seed for row in rows}),
        "networks": _networks(champion, honest, left_out),
        "champion AUC": _numbers(by_seed(champion, lambda row: row.auc)),
        "champion tail": _numbers(by_seed(champion, lambda row: row.tail)),
        "retrained AUC": _numbers(by_seed(honest, lambda row: row.auc)),
        "retrained deviation": float(np.std([row.auc for row in honest], ddof=1)),
        "null width": _numbers(by_seed(champion, lambda row: row.null[2] - row.null[0])),
        "null middle": _numbers(by_seed(champion, lambda row: row.null[1])),
        "retrained": _said(honest),
        "champion": _said(champion),
        "covered": _numbers(share_of(honest, covered)),
        "covered, shadows": _numbers(share_of(left_out, covered)) if left_out else None,
        "band to be widened by": float(np.quantile([reach(row) for row in honest], LEVEL)),
    }


def _networks(*kinds: Sequence[Seen]) -> dict[str, int]:
    return {of[0].network: len(of) // len({row.draw for row in of}) for of in kinds if of}


def _said(rows: Sequence[Seen]) -> dict[str, list[float]]:
    return {
        str(outcome): _numbers(share_of(rows, lambda row, o=outcome: row.said == o))  # type: ignore[misc]
        for outcome in Outcome
    }


def _numbers(found: Interval) -> list[float]:
    return [round(x, 4) for x in dataclasses.astuple(found)]


def words(name: str, lines: Sequence[Mapping[str, Any]]) -> str:
    """Say how many there were of everything."""
    line = next(line for line in lines if "networks" in line)
    counted = ", ".join(f"{n} of {name}" for name, n in line["networks"].items())
    return (
        f"{name}, {n_seeds(line['seeds'])}, for each {line['draws']} banks of each smaller size; "
        f"judged (network and forget set): {counted}. Intervals are at 95 %: Student's over seeds "
        "for means, Clopper and Pearson's over networks for shares."
    )


def page(lines: Sequence[Mapping[str, Any]]) -> str:
    """Write the table as Markdown."""
    header = (
        "share seen",
        "shadows",
        "calibrated by",
        "champion's AUC",
        "its tail at 5 %",
        "retrained AUC",
        "deviation",
        "null band's width",
        "retrained inside",
        "shadows inside",
        "gate on retrained: passed / failed / inconclusive",
        "on champions",
    )
    return markdown(header, map(_written, lines))


def _written(line: Mapping[str, Any]) -> Sequence[str]:
    first = (f"{line['share']:.0%}", str(line["shadows"]), line["calibration"])
    if "too small" in line:
        return (*first, f"too small: {line['too small']}", *[""] * 8)
    inside = line["covered, shadows"]
    return (
        *first,
        _mean(line["champion AUC"]),
        f"{line['champion tail'][0]:.1%}",
        _mean(line["retrained AUC"]),
        f"{line['retrained deviation']:.3f}",
        f"{line['null width'][0]:.3f}",
        _percent(line["covered"]),
        _percent(inside) if inside else "-",
        _counts(line["retrained"]),
        _counts(line["champion"]),
    )


def _mean(found: Sequence[float]) -> str:
    return f"{found[0]:.3f} ({found[1]:.3f} to {found[2]:.3f})"


def _percent(found: Sequence[float]) -> str:
    return f"{found[0]:.0%} ({found[1]:.0%} to {found[2]:.0%})"


def _counts(said: Mapping[str, Sequence[float]]) -> str:
    return " / ".join(f"{said[outcome][0]:.0%}" for outcome in Outcome)
