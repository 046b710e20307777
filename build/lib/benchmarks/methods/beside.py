"""The comparison's rows beside what papers print, and whether they are as near as was asked.

The papers' numbers stand in published.yaml, each with its definition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.markdown import table as markdown
from benchmarks.methods.cells import RETRAINED

PUBLISHED = Path(__file__).parent / "published.yaml"
EPOCHS = 200
"""For so many both papers train."""

WITHIN = 1.0
"""Points by which our retrained model may differ from a paper's, in each column alone."""

Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Paper:
    """One paper's table.

    mia: our column of the same definition. ground: ours that is trained as theirs. demands: the
    largest average gap that a row of ours may have, in points. rows: `row`, `ours`, FA, RA, TA,
    `mia`, `gap` in percent; D_KL in nats and minutes where they are printed.
    """

    paper: str
    source: str
    training: str
    ground: str
    mia: str
    demands: Mapping[str, float]
    rows: Sequence[Row]

    @property
    def columns(self) -> dict[str, str]:
        """Give our name of each column that enters the average gap."""
        return {"FA": "FA", "RA": "RA", "TA": "TA", "mia": self.mia}


def load(path: Path = PUBLISHED) -> list[Paper]:
    """Read the papers' tables."""
    return [Paper(**entry) for entry in yaml.safe_load(path.read_text())]


def trained_as(data: str) -> list[Paper]:
    """Give the papers whose networks are trained as those of this ground; no other compares."""
    return [paper for paper in load() if paper.ground == data]


def gap_of(paper: Paper, row: Row) -> float:
    """Give our row's average gap by a paper's definition, in points."""
    gaps = [float(row[f"gap {ours}"]["mean"]) for ours in paper.columns.values()]
    return 100 * sum(gaps) / len(gaps)


def demands(papers: Sequence[Paper], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Say of each demand what was got, at most what was asked, and whether it is kept.

    A row that was not run or diverged leaves its demand out.
    """
    have = {row["row"]: row for row in rows if row["n"]}
    found = []
    for paper in papers:
        printed = {row["ours"]: row for row in paper.rows if "ours" in row}
        if RETRAINED in have:
            for theirs, ours in paper.columns.items():
                away = abs(100 * have[RETRAINED][ours]["mean"] - printed[RETRAINED][theirs])
                found.append(_demand(paper, f"retrained {ours}", away, WITHIN))
        for name, most in paper.demands.items():
            if name in have:
                away = gap_of(paper, have[name])
                found.append(_demand(paper, f"{name} average gap", away, most))
    return found


def _demand(paper: Paper, what: str, got: float, most: float) -> dict[str, Any]:
    return {"paper": paper.paper, "what": what, "got": got, "most": most, "kept": got <= most}


def page(papers: Sequence[Paper], rows: Sequence[Row], epochs: int) -> str:
    """Write a table for each paper, ours / theirs, and what was asked of them."""
    words = (
        f"\n## Beside the paper\n\nOurs / theirs, in percent. Ours were trained for {epochs} "
        f"epochs and are the last epoch's, theirs for {EPOCHS}. A row without ours was not run, or "
        "with settings that no paper gives.\n"
    )
    header = ("what is asked", "got", "at most", "kept")
    asked = [
        [f"{d['paper']}: {d['what']}", f"{d['got']:.2f}", f"{d['most']:.2f}", _word(d["kept"])]
        for d in demands(papers, rows)
    ]
    return words + "".join(_table(paper, rows) for paper in papers) + "\n" + markdown(header, asked)


def _word(kept: bool) -> str:
    return "yes" if kept else "**no**"


def _table(paper: Paper, rows: Sequence[Row]) -> str:
    have = {row["row"]: row for row in rows if row["n"]}
    header = ("", "FA", "RA", "TA", paper.mia, "average gap", "D_KL", "minutes")
    lines = [_line(paper, printed, have.get(printed.get("ours", ""))) for printed in paper.rows]
    title = f"\n**{paper.paper}** ({paper.source}; {paper.training}; our `{paper.ground}`)\n\n"
    return title + markdown(header, lines)


def _line(paper: Paper, printed: Row, ours: Row | None) -> list[str]:
    cells = [
        _pair(100 * ours[name]["mean"] if ours else None, printed[key])
        for key, name in paper.columns.items()
    ]
    cells.append(_pair(gap_of(paper, ours) if ours else None, printed["gap"]))
    cells.append(_pair(ours["D_KL"]["mean"] if ours else None, printed.get("D_KL")))
    seconds = ours["seconds"]["mean"] if ours and "seconds" in ours else None
    cells.append(_pair(None if seconds is None else seconds / 60, printed.get("minutes")))
    return [printed["row"], *cells]


def _pair(ours: float | None, theirs: float | None) -> str:
    words = ["" if value is None else f"{value:.2f}" for value in (ours, theirs)]
    return " / ".join(words) if any(words) else ""
