"""The year as a picture: what a request costs by each strategy, against how many ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.methods.plot import MARKS, write_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw one panel a window; without matplotlib say so and draw nothing."""
    write_svg(path, lambda: _figure(rows))


def _figure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    from matplotlib.figure import Figure

    windows = list(dict.fromkeys(row["served"] for row in rows))
    figure = Figure(figsize=(3.4 * len(windows), 4.6), layout="constrained")
    panels = figure.subplots(1, len(windows), squeeze=False, sharey=True)[0]
    for panel, window in zip(panels, windows, strict=True):
        _panel(panel, [row for row in rows if row["served"] == window])
        panel.set(title=window, xlabel="requests a month", xscale="log", yscale="log")
    panels[0].set_ylabel("retrainings a request")
    handles, words = panels[0].get_legend_handles_labels()
    figure.legend(handles, words, loc="outside lower center", fontsize=7, ncols=2)
    return figure


def _panel(panel: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    for number, name in enumerate(dict.fromkeys(row["strategy"] for row in rows)):
        mine = [row for row in rows if row["strategy"] == name]
        across = [row["requests_a_month"] for row in mine]
        up = [row["each"]["mean"] for row in mine]
        reach = [
            [max(0.0, row["each"]["mean"] - row["each"]["low"]) for row in mine],
            [max(0.0, row["each"]["high"] - row["each"]["mean"]) for row in mine],
        ]
        looks: dict[str, Any] = {"marker": MARKS[number], "color": f"C{number}", "ms": 4, "lw": 1}
        panel.errorbar(across, up, reach, label=name, capsize=2, **looks)
    panel.axhline(1.0, color="0.8", zorder=0)
    panel.grid(alpha=0.3)
