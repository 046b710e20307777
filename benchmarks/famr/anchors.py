"""What FAMR's anchor trades: For against Ret from .01 to 1, beyond, and where retraining lies.

    python -m benchmarks.famr --anchors --seeds 3

The anchors that the paper sweeps, at the published rate and at a tenth of it, and at the published
one stronger ones, up to where one step takes back all that the steps before did (1 / rate). Writes
famr-anchors.json and famr-anchors.svg.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from benchmarks import record
from benchmarks.famr.sweep import run
from benchmarks.famr.trials import TASKS, Trial, columns, counted, models, split_of, summary
from benchmarks.methods.plot import write_svg
from unlearning.famr.evidence import distance, end_of
from unlearning.methods.famr import Famr
from unlearning.outputs import logits_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ANCHORS = (0.01, 0.05, 0.1, 0.5, 1.0)
BEYOND = (100.0, 1000.0, 3000.0, 10_000.0)
RATES = (1e-4, 1e-5)
"""The published rate, and a tenth of it."""

PAIRS = [
    *((rate, anchor) for rate in RATES for anchor in ANCHORS),
    *((RATES[0], anchor) for anchor in BEYOND),
]
CONTROLS = ("original", "retrained")
SHOWN = ("Ret", "For", "Ent")
FIGURE = record.RESULTS / "famr-anchors.svg"


def anchors(seeds: int, folder: Path) -> Iterator[dict[str, Any]]:
    """Give, by task, the original, the retrained network, and each rate's and anchor's end."""
    for task in TASKS:
        trials = [Trial(task, seed) for seed in range(seeds)]
        for name in CONTROLS:
            yield _row({"row": name}, trials, folder, [_control(name, t, folder) for t in trials])
        for rate, anchor in PAIRS:
            famr = Famr(learning_rate=rate, anchor=anchor)
            ends = [run(famr, trial, folder)[-1] for trial in trials]
            moved = [_moved(famr, *pair, folder) for pair in zip(ends, trials, strict=True)]
            asked = {"row": "FAMR", "rate": rate, "anchor": anchor}
            asked |= {"distance": round(float(np.mean(moved)), 4)}
            yield _row(asked, trials, folder, ends)


def _control(name: str, trial: Trial, folder: Path) -> nn.Module:
    return models(trial, folder)[CONTROLS.index(name)]


def _row(
    asked: Mapping[str, Any], trials: Sequence[Trial], folder: Path, ends: Sequence[nn.Module]
) -> dict[str, Any]:
    rows = []
    for network, trial in zip(ends, trials, strict=True):
        before = logits_of(models(trial, folder)[0], split_of(trial).forget)
        rows.append(columns(network, before, trial))
    found = summary("", rows, counted(trials))
    return {"task": trials[0].task, **asked, **{key: found[key] for key in SHOWN}}


def _moved(famr: Famr, network: nn.Module, trial: Trial, folder: Path) -> float:
    original, _ = models(trial, folder)
    return distance(end_of(famr, original, network, split_of(trial)))


def draw(rows: Sequence[Mapping[str, Any]], path: Path = FIGURE) -> None:
    """Draw a panel a task: a curve of the anchor at each rate; without matplotlib draw nothing."""
    write_svg(path, lambda: _figure(rows))


def _figure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    from matplotlib.figure import Figure

    tasks = list(dict.fromkeys(row["task"] for row in rows))
    figure = Figure(figsize=(1.2 + 4.2 * len(tasks), 3.8), layout="constrained")
    panels = figure.subplots(1, len(tasks), squeeze=False)[0]
    for panel, task in zip(panels, tasks, strict=True):
        _panel(panel, [row for row in rows if row["task"] == task])
        panel.set(title=task, xlabel="Ret, test accuracy of what stays", ylabel="For")
    handles, words = panels[0].get_legend_handles_labels()
    figure.legend(handles, words, loc="outside lower center", ncols=4, fontsize=8)
    return figure


def _panel(panel: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    for colour, rate in zip(("C0", "C1"), RATES, strict=True):
        curve = sorted((r for r in rows if r.get("rate") == rate), key=lambda r: r["anchor"])
        looks: dict[str, Any] = {
            "color": colour,
            "marker": "o",
            "ms": 4,
            "label": f"rate {rate:.0e}",
        }
        panel.errorbar(*_at(curve), fmt="-", lw=1, elinewidth=0.6, **looks)
        for row in curve:
            if row["anchor"] in (ANCHORS[-1], *BEYOND):
                place = row["Ret"]["mean"], row["For"]["mean"]
                panel.annotate(f"{row['anchor']:g}", place, fontsize=6, xytext=(3, 3), **OFFSET)
    for marker, name in zip("s*", CONTROLS, strict=True):
        alone = [row for row in rows if row["row"] == name]
        panel.errorbar(*_at(alone), fmt=marker, color="0.3", ms=8, elinewidth=0.6, label=name)
    panel.grid(alpha=0.3)


OFFSET: Mapping[str, Any] = {"textcoords": "offset points"}


def _at(rows: Sequence[Mapping[str, Any]]) -> tuple[list[float], list[float], Any, Any]:
    """Give Ret, For, and how far the intervals of For and of Ret reach, (2, rows) each."""
    across, up = ([row[name]["mean"] for row in rows] for name in ("Ret", "For"))
    reach = [
        [
            [max(0.0, row[name]["mean"] - row[name]["low"]) for row in rows],
            [max(0.0, row[name]["high"] - row[name]["mean"]) for row in rows],
        ]
        for name in ("For", "Ret")
    ]
    return across, up, reach[0], reach[1]
