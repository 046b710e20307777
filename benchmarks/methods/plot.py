"""The trade-off plot: what a method keeps against how far from retrained its forgetting is."""

from __future__ import annotations

import importlib.util
import io
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.methods.cells import OTHER, RETRAINED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKS = "os^vDPX<>ph*"
LEAST_SIZE, SIZE = 15.0, 250.0
"""Area of a mark in square points: what costs nothing has the first, retraining both together."""

DEPTH = 0.25
"""How far below the retrained model's accuracy a panel ends; what is lower lies on its edge."""


def draw(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw one panel a task; without matplotlib say so and draw nothing."""
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    names = list(dict.fromkeys(row["row"] for row in rows))
    style = {name: (MARKS[i // 10 % len(MARKS)], f"C{i % 10}") for i, name in enumerate(names)}
    write_svg(path, lambda: _figure(rows, tasks, style))


def write_svg(path: Path, figure: Callable[[], Figure]) -> None:
    """Write the figure that is made, the same for the same rows; without matplotlib say so."""
    if importlib.util.find_spec("matplotlib") is None:
        print(f"{path.name} is not drawn: matplotlib is not installed", file=sys.stderr)
        return
    import matplotlib as mpl

    drawn = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "lethe", "font.size": 9}):
        figure().savefig(drawn, format="svg", metadata={"Date": None})
    path.write_text(_compact(drawn.getvalue()))


def _figure(
    rows: Sequence[Mapping[str, Any]],
    tasks: Sequence[str],
    style: Mapping[str, tuple[str, str]],
) -> Figure:
    from matplotlib.figure import Figure

    high = max(4.2, 0.16 * len(style) + 0.4)  # inches, so that the legend finds room
    figure = Figure(figsize=(4.2 * len(tasks) + 2.4, high), layout="constrained")
    panels = figure.subplots(1, len(tasks), squeeze=False)[0]
    for panel, task in zip(panels, tasks, strict=True):
        _panel(panel, [row for row in rows if row["task"] == task and row["n"]], style)
        panel.set(title=task, xlabel="attack AUC, calibrated (aim: 0.5)", ylabel="test accuracy")
    labels: dict[str, Any] = {}
    for panel in panels:
        handles, words = panel.get_legend_handles_labels()
        labels |= dict(zip(words, handles, strict=True))
    legend = figure.legend(labels.values(), labels.keys(), loc="outside right center", fontsize=7)
    for handle in legend.legend_handles:
        handle.set_sizes([40.0])  # type: ignore[union-attr]
    return figure


def _compact(svg: str) -> str:
    """Keep hundredths of a point and no indentation: a third less to store."""
    return re.sub(r"\n +", "\n", re.sub(r"(\.\d\d)\d+", r"\1", svg))


def _panel(
    panel: Any, rows: Sequence[Mapping[str, Any]], style: Mapping[str, tuple[str, str]]
) -> None:
    """Draw the rows of one task over the band in which models lie that never saw the forget set."""
    floor = 0.0
    for row in rows:
        if row["row"] == RETRAINED:
            floor = row["TA"]["mean"] - DEPTH
            band = row["null low"]["mean"], row["null high"]["mean"]
            panel.axvspan(*band, color="0.93", zorder=0)
    across = [row["forget_auc"]["mean"] for row in rows]
    up = [max(floor, row["TA"]["mean"]) for row in rows]
    reach = [[row[name]["sd"] or 0.0 for row in rows] for name in ("forget_auc", "TA")]
    panel.errorbar(across, up, reach[1], reach[0], fmt="none", ecolor="0.6", lw=0.7, zorder=1)
    for x, y, row in zip(across, up, rows, strict=True):
        marker, colour = style[row["row"]]
        size = LEAST_SIZE + SIZE * _cost(row)
        looks: dict[str, Any] = {"s": size, "marker": marker, "color": colour, "linewidths": 0}
        panel.scatter(x, y, **looks, alpha=0.75, label=row["row"])
    panel.axvline(0.5, color="0.8", zorder=0)
    panel.locator_params(axis="x", nbins=6)
    panel.grid(alpha=0.3)


def _cost(row: Mapping[str, Any]) -> float:
    """Give the passes forward and backward of a row as a fraction of retraining's."""
    if "of retraining, passes" in row:
        return float(row["of retraining, passes"]["mean"])
    return 1.0 if row["row"] in (RETRAINED, OTHER) else 0.0
