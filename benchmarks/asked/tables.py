"""Rows over the seeds, and the tables of the pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.asked.trials import RETRAINED, Row
from benchmarks.markdown import table
from benchmarks.means import told, words_of
from benchmarks.methods.tables import spread
from benchmarks.pages.results import load

SHOWN = {
    "FA": ("FA", 100, 1),
    "RA": ("RA", 100, 1),
    "TA": ("TA", 100, 1),
    "forget_valid": ("forget_valid", 100, 1),
    "average gap": ("average gap", 100, 1),
    "D_KL": ("D_KL", 1, 2),
    "forget_auc": ("attack AUC (calibrated)", 1, 3),
    "memorised_auc": ("memorised tenth", 1, 3),
    "drift": ("drift of the rest", 1, 3),
    "drift, at most": ("at most", 1, 3),
    "mia_nn": ("MIA-NN", 1, 3),
    "class_tv": ("class TV", 1, 3),
    "l2": ("l2", 1, 3),
    "found": ("found", 1, 3),
    "auc, found": ("attack AUC of those", 1, 3),
    "auc, none": ("of the others", 1, 3),
    "passes": ("passes, of retraining", 1, 2),
}
"""Columns with their heading, the factor they are shown by, and their decimals."""


def means(rows: Sequence[Row]) -> list[Row]:
    """Give a line for each task and row: mean, deviation and n of every column."""
    rows = [row for row in rows if "columns" in row or "diverged" in row]
    keys = dict.fromkeys((row["task"], row["row"]) for row in rows)
    whole = {(r["task"], r["seed"]): r["passes"] for r in rows if r["row"] == RETRAINED}
    return [_line(key, [r for r in rows if (r["task"], r["row"]) == key], whole) for key in keys]


def _line(key: tuple[str, str], rows: Sequence[Row], whole: Mapping[Any, float]) -> Row:
    fine = [row for row in rows if "columns" in row]
    line: Row = {"task": key[0], "row": key[1], "n": len(fine), "diverged": len(rows) - len(fine)}
    values = [_values(row, whole) for row in fine]
    names = dict.fromkeys(name for value in values for name in value)
    return line | {name: spread([v[name] for v in values if name in v]) for name in names}


def _values(row: Row, whole: Mapping[Any, float]) -> dict[str, float]:
    found = {**row["columns"], **row.get("further", {})}
    if "passes" in row:
        found["passes"] = row["passes"] / whole[row["task"], row["seed"]]
    if row.get("cycles"):
        found["drift, at most"] = max(found["drift"], *(moved for _, moved in row["cycles"]))
    return found


def compared(name: str) -> str:
    """Write a table for each task."""
    result = load(name)
    rows, settings = result["rows"]["table"], result["settings"]
    tasks = dict.fromkeys(row["task"] for row in rows)
    return "\n".join(
        _task(task, settings, [r for r in rows if r["task"] == task]) for task in tasks
    )


def _task(task: str, settings: Mapping[str, Any], rows: Sequence[Row]) -> str:
    words = (
        f"**{settings['data']}, {task}**: {settings['train']:,} training examples, "
        f"{settings['recipe']['network']}, {settings['shadows']} shadows, seeds: "
        f"{rows[0]['n']}, with an original each; {words_of(rows[0]['n'])}, in per cent.\n\n"
    )
    columns = [name for name in SHOWN if any(name in row for row in rows)]
    header = ("", *(SHOWN[name][0] for name in columns))
    return words + table(header, [[_name(row), *_cells(row, columns)] for row in rows])


def _name(row: Row) -> str:
    return f"{row['row']} ({row['diverged']} diverged)" if row["diverged"] else row["row"]


def _cells(row: Row, columns: Iterable[str]) -> list[str]:
    return [_cell(row.get(name), *SHOWN[name][1:]) for name in columns]


def _cell(found: Mapping[str, Any] | None, scale: float, digits: int) -> str:
    if not found:
        return ""
    return told(found["mean"], found["sd"], found["n"], digits, scale)


def tilted(name: str) -> str:
    """Write TRW's table, U-LiRA's, and how far examples are from their class's similarities."""
    result = load(name)["rows"]
    lines = [
        [
            row,
            f"{of['ulira']:.3f}",
            f"{of['accuracy']:.3f}",
            "{:.3f} ({:.3f} to {:.3f})".format(*of["pooled"]),
        ]
        for row, of in result["ulira"].items()
    ]
    header = ("U-LiRA, class-wise", "AUC per example", "balanced accuracy", "pooled AUC (95 %)")
    apart = {key: spread([of[key] for of in result["similarity"]]) for key in SIMILARITY}
    words = ", ".join(f"{SIMILARITY[key]} {_cell(found, 1, 2)}" for key, found in apart.items())
    n = len(result["similarity"])
    similar = f"Similarities of single examples ({n} originals): {words}.\n"
    return "\n".join([compared(name), table(header, lines), similar])


SIMILARITY = {
    "tv": "total variation from their mean",
    "tv_class": "of that mean from the class's by its weights",
    "same_nearest": "share with the same nearest class",
}
