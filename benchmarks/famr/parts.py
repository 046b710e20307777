"""The questions about FAMR that are measured alone, each by the option of its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import record
from benchmarks.famr import anchors, clusters, sweep, trials, widths


class Part(NamedTuple):
    """What measures it, given seeds and the folder of the networks; its own settings; its words."""

    measure: Callable[[int, Path], Any]
    words: str
    settings: Mapping[str, Any] = {}


def _clustered(seeds: int, folder: Path) -> Any:
    clusters.draw(folder)
    return list(clusters.clusters(seeds, folder))


def _anchored(seeds: int, folder: Path) -> Any:
    rows = list(anchors.anchors(seeds, folder))
    anchors.draw(rows)
    return rows


PARTS = {
    "anchors": Part(
        _anchored,
        "what the anchor trades, as a table and a curve",
        {"anchors": anchors.ANCHORS, "beyond": anchors.BEYOND, "rates": anchors.RATES},
    ),
    "sweep": Part(sweep.swept, "layers and curvature alone"),
    "widths": Part(
        lambda seeds, folder: list(widths.widths(seeds, folder)), "transformers of several widths"
    ),
    "clusters": Part(
        _clustered, "the forgotten class's cluster", {"neighbours": clusters.NEIGHBOURS}
    ),
}


def measured(name: str, seeds: int, folder: Path) -> Path:
    """Measure one part and give the path of its result, famr-NAME.json."""
    part = PARTS[name]
    settings = trials.settings() | {"seeds": seeds, **part.settings}
    return record.write(f"famr-{name}", settings, part.measure(seeds, folder))
