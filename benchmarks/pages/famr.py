"""How FAMR came out on a vision transformer, in the columns of its paper's tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.markdown import n_seeds, table
from benchmarks.means import mean_of
from benchmarks.pages.results import FROM_DOCS, load

COLUMNS = ("Ret", "For", "CE", "Ent", "KL", "probe")
TASKS = {"class": "A class:", "sample": "A tenth of the training examples:"}


def transformer(name: str) -> str:
    """Write a table for each task."""
    result = load(name)
    asked = result["settings"]
    words = (
        f"**{asked['data']}**, {asked['train']:,} training and {asked['test']:,} test images, a "
        f"timm vision transformer of four layers, {n_seeds(asked['seeds'])}; "
        "mean and 95 % interval. "
        "Ret: accuracy on test images of what stays, For: on the forget set, in per cent; CE, Ent "
        "and KL from the original on the forget set, in nats (a uniform answer has CE and Ent of "
        "2.30); probe: AUC of a linear probe for the forgotten class on the features.\n"
    )
    parts = [f"{TASKS[task]}\n\n{_task(found)}" for task, found in result["rows"].items()]
    page = f"{name}.html"
    where = f"Curves and the state of its theory: [{page}]({FROM_DOCS}/{page}).\n"
    return "\n".join([words, *parts, where])


def _task(found: dict[str, Any]) -> str:
    columns = [key for key in COLUMNS if key in found["table"][0]]
    rows = [[row["row"], *(_cell(row[key], key) for key in columns)] for row in found["table"]]
    return table(("", *columns), rows)


def _cell(found: dict[str, float], column: str) -> str:
    unit, digits = (100, 1) if column in ("Ret", "For") else (1, 2)
    mean, low, high = (f"{unit * found[key]:.{digits}f}" for key in ("mean", "low", "high"))
    return f"{mean} ({low} to {high})"


def anchors(name: str) -> str:
    """Write the anchor's trade beside the original and the retrained network, task by task."""
    result = load(name)
    words = (
        f"{n_seeds(result['settings']['seeds'])}; mean and 95 % interval (Student), "
        "columns as above; "
        "distance: of the weights from the original's.\n"
    )
    rows = result["rows"]
    parts = [
        f"{words_of}\n\n{_anchors([row for row in rows if row['task'] == task])}"
        for task, words_of in TASKS.items()
        if any(row["task"] == task for row in rows)
    ]
    curve = f"![For against Ret, by anchor and rate]({FROM_DOCS}/{name}.svg)\n"
    return "\n".join([words, *parts, curve])


def _anchors(rows: list[dict[str, Any]]) -> str:
    lines = [
        [
            row["row"],
            *(f"{row[key]:g}" if key in row else "" for key in ("rate", "anchor")),
            *(_cell(row[key], key) for key in ("Ret", "For", "Ent")),
            f"{row['distance']:.2f}" if "distance" in row else "",
        ]
        for row in rows
    ]
    return table(("", "rate", "anchor", "Ret", "For", "Ent", "distance"), lines)


def sweep(name: str) -> str:
    """Write the forgotten class block by block, and the descent's curvature."""
    result = load(name)
    rows, seeds = result["rows"], result["settings"]["seeds"]
    parts = (
        f"{n_seeds(seeds)}. The forgotten class among a block's features (mean over tokens, test "
        "examples): AUC of a linear probe, and its distance from the rest over the "
        f"spread around both; {told_by(seeds)}:\n",
        _layers(rows["layers"]),
        "The Hessian of the objective along the published descent, from the original on: extreme "
        f"Ritz values ({told_by(seeds)}), and the rate above which a step of gradient descent "
        "along the largest one no longer goes down, 2 / largest, at its least:\n",
        _descent(rows["descent"]),
    )
    return "\n".join(parts)


def told_by(seeds: int) -> str:
    """Say how seeds are told: two of them are too few for an interval."""
    return "mean and 95 % interval" if seeds > 2 else "ranges over seeds"


def over_seeds(values: Sequence[float], digits: int) -> str:
    """Write Student's interval from three seeds on, else the range."""
    if len(values) > 2:
        found = mean_of(values)
        return "{:,.{d}f} ({:,.{d}f} to {:,.{d}f})".format(
            found.value, found.low, found.high, d=digits
        )
    return "{:,.{d}f} to {:,.{d}f}".format(min(values), max(values), d=digits)


def _layers(rows: list[dict[str, Any]]) -> str:
    blocks = list(dict.fromkeys(row["block"] for row in rows))
    names = list(dict.fromkeys(row["network"] for row in rows))
    at = {(row["network"], row["block"]): row for row in rows}
    lines = [[name, *(_block(at[name, block]) for block in blocks)] for name in names]
    return table(("", *(f"block {block.rpartition('.')[2]}" for block in blocks)), lines)


def _block(row: dict[str, Any]) -> str:
    probe, apart = (over_seeds(row[key], 2) for key in ("probe", "separation"))
    return f"{probe}; {apart}"


def _descent(rows: list[dict[str, Any]]) -> str:
    lines = []
    for task, epoch in dict.fromkeys((row["task"], row["epoch"]) for row in rows):
        of = [row for row in rows if (row["task"], row["epoch"]) == (task, epoch)]
        low, high = ([row[key] for row in of] for key in ("low", "high"))
        rate = min(row["stable_rate"] for row in of)
        lines.append([task, epoch, *(over_seeds(x, 0) for x in (low, high)), rate])
    return table(("forgotten", "epoch", "lowest", "largest", "stable rate"), lines)


def widths(name: str) -> str:
    """Write a table for each task, width by width."""
    result = load(name)
    words = f"{n_seeds(result['settings']['seeds'])}; mean and 95 % interval, columns as above.\n"
    rows = result["rows"]
    parts = [
        f"{words_of}\n\n{_widths([row for row in rows if row['task'] == task])}"
        for task, words_of in TASKS.items()
    ]
    return "\n".join([words, *parts])


def _widths(rows: list[dict[str, Any]]) -> str:
    columns = [key for key in COLUMNS if key in rows[0]]
    lines = [
        [
            row["width"],
            f"{row['weights']:,}",
            row["row"],
            *(_cell(row[key], key) for key in columns),
        ]
        for row in rows
    ]
    return table(("width", "weights", "", *columns), lines)


def clusters(name: str) -> str:
    """Write the purity of the forgotten class's neighbourhoods, block by block."""
    result = load(name)
    rows = result["rows"]
    blocks = list(dict.fromkeys(row["block"] for row in rows))
    at = {(row["network"], row["block"]): row["purity"] for row in rows}
    names = list(dict.fromkeys(row["network"] for row in rows))
    lines = [[name, *(over_seeds(at[name, block], 2) for block in blocks)] for name in names]
    count, seeds = (result["settings"][key] for key in ("neighbours", "seeds"))
    words = (
        f"Of a forgotten example's {count} nearest neighbours by features, among test examples, "
        f"the share of its class; {n_seeds(seeds)}, {told_by(seeds)}.\n\n"
    )
    return words + table(("", *(f"block {block.rpartition('.')[2]}" for block in blocks)), lines)
