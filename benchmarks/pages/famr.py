"""How FAMR came out on a vision transformer, in the columns of its paper's tables."""

from __future__ import annotations

from typing import Any

from benchmarks.markdown import table
from benchmarks.pages.results import FROM_DOCS, load

COLUMNS = ("Ret", "For", "CE", "Ent", "KL", "probe")
TASKS = {"class": "A class:", "sample": "A tenth of the training examples:"}


def transformer(name: str) -> str:
    """Write a table for each task."""
    result = load(name)
    asked = result["settings"]
    words = (
        f"**{asked['data']}**, {asked['train']:,} training and {asked['test']:,} test images, a "
        f"timm vision transformer of four layers, {asked['seeds']} seeds; mean and 95 % interval. "
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
